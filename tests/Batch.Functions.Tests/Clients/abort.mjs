// Reads the first piece of a stream and goes away.
import OpenAI from 'openai';

const stream = await new OpenAI({ maxRetries: 0 }).completions.create({ model: 'scripted', prompt: 'Once', stream: true });
for await (const chunk of stream) {
  console.log(chunk.choices[0].text);
  stream.controller.abort();
}
