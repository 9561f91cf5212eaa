// The official client as its users write it: only the base URL and the key are ours, both from the environment.
import http from 'node:http';
import OpenAI, { toFile } from 'openai';

const client = new OpenAI({ maxRetries: 0 });
const told = {};
const hook = http.createServer((request, response) => {
  let body = '';
  request.on('data', (piece) => (body += piece));
  request.on('end', async () => {
    response.writeHead(204).end();
    const event = await client.webhooks.unwrap(body, request.headers, process.env.OPENAI_WEBHOOK_SECRET);
    told[event.data.id] = event;
  });
});
await new Promise((resolve) => hook.listen(0, '127.0.0.1', resolve));

const line = (id, body) => JSON.stringify({ custom_id: id, method: 'POST', url: '/v1/completions', body });
const upload = async (lines) => client.files.create({
  file: await toFile(Buffer.from(lines.join('\n')), 'input.jsonl'),
  purpose: 'batch',
  expires_after: { anchor: 'created_at', seconds: 7200 },
});
const create = (file, more = {}) => client.batches.create({
  input_file_id: file.id,
  endpoint: '/v1/completions',
  completion_window: '24h',
  metadata: { team: 'news' },
  webhook_url: `http://127.0.0.1:${hook.address().port}/hook`,
  ...more,
});
const ended = async (id) => {
  for (;;) {
    const batch = await client.batches.retrieve(id);
    if (['completed', 'failed', 'cancelled', 'expired'].includes(batch.status) && told[id]) return batch;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const read = async (id) => (await (await client.files.content(id)).text()).trim().split('\n').map(JSON.parse);

const file = await upload([line('good', { model: 'scripted', prompt: '从前', seed: 7 }), line('bad', { model: 'scripted', prompt: 'a', temperature: 9 })]);
const created = await create(file);
const batch = await ended(created.id);
const output = await read(batch.output_file_id);
const errors = await read(batch.error_file_id);

const wrong = await ended((await create(await upload(['{']))).id);

const listed = [];
for await (const each of client.batches.list({ limit: 1 })) listed.push(each.id);
const files = [];
for await (const each of client.files.list({ purpose: 'batch_output', order: 'asc' })) files.push(each.id);

const stopped = await create(await upload(Array.from({ length: 2000 }, (_, i) => line(`line-${i}`, { prompt: 'Once' }))));
const cancelling = await client.batches.cancel(stopped.id);
const cancelled = await ended(stopped.id);

const refused = {};
try {
  await client.batches.retrieve('batch_nobody');
} catch (error) {
  Object.assign(refused, { name: error.constructor.name, status: error.status, code: error.code });
}
const stranger = new OpenAI({ apiKey: 'sk-wrong', maxRetries: 0 });
const strange = await stranger.batches.list().then(() => 'came in', (error) => error.constructor.name);
const deleted = await client.files.delete(file.id);

hook.close();
console.log(JSON.stringify({ file, created, batch, output, errors, wrong, listed, files, cancelling, cancelled, told, refused, strange, deleted }));
