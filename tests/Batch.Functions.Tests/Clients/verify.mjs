// What each secret makes of a webhook: the reference library of Standard Webhooks verifies it or refuses it.
import { Webhook } from 'standardwebhooks';

const { headers, body, secrets } = JSON.parse(process.env.SENT);
console.log(JSON.stringify(secrets.map((secret) => {
  try {
    return new Webhook(secret).verify(body, headers).id;
  } catch {
    return 'refused';
  }
})));
