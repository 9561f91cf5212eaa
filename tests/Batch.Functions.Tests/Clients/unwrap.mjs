// What each secret makes of a webhook: OpenAI's client unwraps it or refuses it.
import OpenAI from 'openai';

const { headers, body, secrets } = JSON.parse(process.env.SENT);
const client = new OpenAI({ apiKey: 'none' });
const seen = [];
for (const secret of secrets) {
  seen.push(await client.webhooks.unwrap(body, headers, secret).then((event) => event.id, () => 'refused'));
}
console.log(JSON.stringify(seen));
