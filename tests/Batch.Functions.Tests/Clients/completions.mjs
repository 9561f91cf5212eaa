// The official client as its users write it: only the base URL and the key are ours, both from the environment.
import OpenAI from 'openai';

const client = new OpenAI({ maxRetries: 0 });
const prompt = { model: 'scripted', prompt: 'Once', seed: 7 };
const messages = { model: 'scripted', messages: [{ role: 'user', content: 'hi' }], seed: 7 };
const refused = (call) => call.then(() => 'came in', (e) => ({ name: e.constructor.name, code: e.code, param: e.param }));

const text = await client.completions.create(prompt);
const chat = await client.chat.completions.create(messages);

const streamed = ['', ''];
let usage;
for await (const chunk of await client.completions.create({ ...prompt, n: 2, stream: true, stream_options: { include_usage: true } })) {
  for (const choice of chunk.choices) streamed[choice.index] += choice.text;
  usage = chunk.usage;
}

const whole = await client.chat.completions.stream(messages).finalChatCompletion(); // the client puts the deltas together
const { message, finish_reason: reason } = whole.choices[0];

const unknown = await refused(client.chat.completions.create({ ...messages, model: 'gpt-17', stream: true }));
const wrong = await refused(client.completions.create({ ...prompt, temperature: 9, stream: true }));
console.log(JSON.stringify({ text, chat, streamed, usage, message, reason, unknown, wrong }));
