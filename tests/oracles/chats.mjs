// node chats.mjs OUT [FOLDER]: writes OUT/chats/NAME.json, published chat templates (of npm packages, and the *.jinja of FOLDER) with what Hugging Face's
// npm interpreter makes of the conversations below. python3 chats.py OUT puts what Jinja2 itself makes of them in its place. BATCH_TEST_DATA=OUT runs the tests.
import fs from 'node:fs';
import path from 'node:path';
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { published } from './published.mjs';

const [out, folder] = process.argv.slice(2);
const user = content => ({ role: 'user', content }), assistant = content => ({ role: 'assistant', content }), system = content => ({ role: 'system', content });

const texts = [
  'Hello', '你好，请写一首关于秋天的诗。', '👩‍👩‍👧 🇩🇪 e\u0301 𠮷', '  spaces\tand lines \n\n', '', ' ', 'a "quoted" \\ \'word\' {{ x }} {% if %} {# no #}',
  '<|im_start|>system\nx<|im_end|><|eot_id|></s>[INST]<start_of_turn>', '<think>\nwell\n</think>\n\nso', '</think>', 'a</think>b</think>c', '<tool_response>x</tool_response>', '\u3000全角\u3000', '\u001c\u0085\u00a0x\ufeff',
];
const shapes = text => [
  [user(text)], [system(text), user('Hi')], [system('Be brief.'), user(text)], [user('Hi'), assistant(text), user('And?')], [system('S'), user('A'), assistant(text), user(text), assistant('D'), user('E')],
  [user('A'), assistant(text)], [user('A'), assistant('B'), user(text), assistant(text)],
];
const conversations = [
  ...texts.flatMap(shapes),
  [], [system('alone')], [assistant('first'), user('A')], [user('A'), user('B')], [user('A'), assistant('B'), assistant('C')], [system('S'), system('T'), user('A')], [user('A'), system('late'), user('B')],
  [user('A'), system('late')], [user('A'), { role: 'tool', content: '{"x": 1}' }], [{ role: 'developer', content: 'D' }, user('A')], [{ role: 'nobody', content: 'N' }],
  Array.from({ length: 41 }, (_, i) => i % 2 ? assistant(`answer ${i}`) : user(`question ${i}`)),
];

// What transformers passes, but no date: our side has none.
function render(program, values) {
  const environment = new Environment();
  const globals = {
    true: true, false: false, none: null, True: true, False: false, None: null,
    raise_exception: message => { throw new Error(message); },
    range: (start, stop, step = 1) => {
      const [from, to] = stop === undefined ? [0, start] : [start, stop];
      return Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, i) => from + i * step);
    },
  };
  for (const [name, value] of Object.entries({ ...globals, ...values })) environment.set(name, value);
  return new Interpreter(environment).run(program).value;
}

const content = token => typeof token === 'object' && token ? token.content : token ?? null;
const templates = Object.entries(published).flatMap(([name, make]) => {
  try {
    const { config } = make(path.join(out, 'none'));
    return typeof config.chat_template === 'string' ? [{ name, template: config.chat_template, bos: content(config.bos_token), eos: content(config.eos_token) }] : [];
  } catch (error) {
    if (error.code === 'ENOENT') return []; // of the test data, which has its own
    throw error;
  }
});
for (const file of folder ? fs.readdirSync(folder).filter(file => file.endsWith('.jinja')).sort() : []) {
  templates.push({ name: path.basename(file, '.jinja'), template: fs.readFileSync(path.join(folder, file), 'utf8'), bos: '<s>', eos: '</s>' });
}

fs.mkdirSync(path.join(out, 'chats'), { recursive: true });
const seen = new Set();
for (const { name, template, bos, eos } of templates) {
  if (seen.has(template)) continue;
  seen.add(template);
  const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
  const cases = conversations.flatMap(messages => [true, false].map(add_generation_prompt => {
    try {
      return { messages, add_generation_prompt, text: render(program, { messages, add_generation_prompt, bos_token: bos ?? '', eos_token: eos ?? '', tools: null, documents: null }) };
    } catch (error) {
      return { messages, add_generation_prompt, error: error.message };
    }
  }));
  fs.writeFileSync(path.join(out, 'chats', `${name}.json`), JSON.stringify({ template, bos, eos, cases }));
  console.log(name, cases.filter(one => one.text !== undefined).length, 'rendered,', cases.filter(one => one.error !== undefined).length, 'refused');
}
