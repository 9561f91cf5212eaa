// node tokenizers.mjs DATA OUT [name,name]: writes OUT/tokenizers/NAME/{tokenizer.json,…,oracle.json}, where oracle.json holds random strings and what
// Hugging Face's Rust tokenizers (the npm package with its native library) make of them. DATA is the test data; BATCH_TEST_DATA=OUT runs the tests.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';
import { published } from './published.mjs';
import { texts } from './texts.mjs';

const { Tokenizer, bertPreTokenizer, bertNormalizer } = createRequire(import.meta.url)('tokenizers');
const [data, out, only] = process.argv.slice(2);

// The Rust normalizers know the Unicode of 2015: characters that have become punctuation, marks or format characters since, or ceased to be, are left
// out where a text is normalized.
function reclassified() {
  const split = bertPreTokenizer(), found = new Set();
  const accents = bertNormalizer({ stripAccents: true, lowercase: false, cleanText: false, handleChineseChars: false });
  const clean = bertNormalizer({ stripAccents: false, lowercase: false, cleanText: true, handleChineseChars: false });
  // Letters of 2024 and 2025, of whose case one side knows.
  for (const [first, last] of [[0x10D50, 0x10D85], [0x16EA0, 0x16EDF]]) for (let code = first; code <= last; code++) found.add(String.fromCodePoint(code));
  for (let code = 0x80; code < 0xF0000; code++) {
    if (code >= 0xD800 && code < 0xE000) continue;
    const c = String.fromCodePoint(code);
    const punctuation = split.preTokenizeString(`a${c}a`).length === 3;
    const mark = accents.normalizeString(`a${c}`) === 'a';
    const control = clean.normalizeString(`a${c}`) === 'a';
    if ((/\p{P}/u.test(c) !== punctuation && !/\s/.test(c)) || (c.normalize('NFD') === c && /\p{Mn}/u.test(c) !== mark) || (code !== 0xFFFD && /[\p{Cc}\p{Cf}\p{Co}]/u.test(c) !== control)) found.add(c);
  }
  return found;
}

// A user's text, where control tokens are text: they go, or take a name that no text has where their absence would renumber the others.
function withoutControls(json) {
  const plain = structuredClone(json);
  plain.added_tokens = plain.added_tokens.filter(token => !token.special || !Object.hasOwn(json.model.vocab, token.content))
    .map(token => token.special ? { ...token, content: `\u{10FFFD}${token.id}` } : token);
  plain.post_processor = null;
  return plain;
}

const changed = reclassified();
for (const [name, make] of Object.entries(published)) {
  if (only && !only.split(',').includes(name)) continue;
  const { json, config, files } = make(data);
  const folder = path.join(out, 'tokenizers', name);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  for (const [file, content] of Object.entries(files ?? { 'tokenizer.json': JSON.stringify(json) })) fs.writeFileSync(path.join(folder, file), content);
  fs.writeFileSync(path.join(folder, 'tokenizer_config.json'), JSON.stringify(config));

  const text = Tokenizer.fromString(JSON.stringify(withoutControls(json))), full = Tokenizer.fromString(JSON.stringify(json));
  const strings = texts(json, data, 4000).filter(string => !json.normalizer || ![...string].some(c => changed.has(c)));
  const oracle = { strings, ids: [], rendered: [], decoded: [] };
  for (const string of strings) {
    oracle.ids.push((await text.encode(string, null, { addSpecialTokens: false })).getIds());
    oracle.rendered.push((await full.encode(string, null, { addSpecialTokens: false })).getIds());
    oracle.decoded.push(await full.decode(oracle.rendered.at(-1), true));
  }
  fs.writeFileSync(path.join(folder, 'oracle.json'), JSON.stringify(oracle));
  console.log(name, strings.length);
}
