// Holds recorded requests and responses against the document that the server gives: what it takes, each status and media type, and no member that it does not name.
import { readFileSync } from 'node:fs';
import Ajv from 'ajv/dist/2020.js';

const document = await (await fetch(`${process.env.BATCH_URL}openapi.json`)).json();
close(document.components.schemas);
const ajv = new Ajv({ strict: false, allErrors: true, validateSchema: false, validateFormats: false });
ajv.addSchema(document, 'openapi');

const wrong = new Set();
const seen = {};
for (const exchange of JSON.parse(readFileSync(process.env.EXCHANGES, 'utf8'))) {
  const path = pathOf(exchange);
  const operation = path && document.paths[path][exchange.method.toLowerCase()];
  const name = `${exchange.method} ${path ?? exchange.path}`;
  if (!operation) {
    wrong.add(`${name}: not in the document`);
    continue;
  }

  (seen[name] ??= new Set()).add(exchange.status);
  if (exchange.status < 300 && exchange.request && operation.requestBody?.content['application/json']) {
    check(`${name} takes`, ['paths', path, exchange.method.toLowerCase(), 'requestBody', 'content', 'application/json', 'schema'], JSON.parse(exchange.request));
  }

  let place = ['paths', path, exchange.method.toLowerCase(), 'responses', `${exchange.status}`];
  let response = operation.responses[exchange.status];
  if (response?.$ref) {
    place = response.$ref.slice(2).split('/');
    response = document.components.responses[place[2]];
  }

  const type = exchange.type?.split(';')[0];
  if (!response?.content[type]) {
    wrong.add(`${name}: ${exchange.status} ${type} is not in the document`);
    continue;
  }

  const bodies = type === 'application/json' ? [exchange.body]
    : type === 'text/event-stream' ? exchange.body.split('\n').filter(line => line.startsWith('data: {')).map(line => line.slice(6)) : [];
  for (const body of bodies) {
    check(`${name} ${exchange.status}`, [...place, 'content', type, 'schema'], JSON.parse(body));
  }
}

console.log(JSON.stringify({ wrong: [...wrong].sort(), seen: Object.fromEntries(Object.entries(seen).map(([name, statuses]) => [name, [...statuses].sort()])) }));

function check(what, place, value) {
  const pointer = place.map(part => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
  const validate = ajv.getSchema(`openapi#/${pointer}`) ?? ajv.compile({ $ref: `openapi#/${pointer}` });
  if (!validate(value)) {
    for (const error of validate.errors) {
      wrong.add(`${what}: ${error.instancePath || '/'} ${error.message} ${JSON.stringify(error.params)}`);
    }
  }
}

// The path with the fewest parameters that has the method.
function pathOf({ method, path }) {
  const given = path.split('?')[0].split('/');
  const matches = Object.keys(document.paths).filter(template => {
    const parts = template.split('/');
    return document.paths[template][method.toLowerCase()] && parts.length === given.length && parts.every((part, i) => part.startsWith('{') ? given[i] : part === given[i]);
  });
  return matches.sort((a, b) => a.split('{').length - b.split('{').length)[0];
}

function close(schema) {
  if (schema && typeof schema === 'object') {
    if (schema.properties && !Array.isArray(schema.properties) && schema.additionalProperties === undefined) {
      schema.additionalProperties = false;
    }

    Object.values(schema).forEach(close);
  }
}
