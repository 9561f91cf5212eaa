// Validates the document that the server gives against OpenAPI's own schema, with a validator that knows nothing of us.
import { Validator } from '@seriousme/openapi-schema-validator';

const document = await (await fetch(`${process.env.BATCH_URL}openapi.json`)).json();
const validator = new Validator();
const result = await validator.validate(document);
validator.resolveRefs();
console.log(JSON.stringify({ valid: result.valid, version: validator.version, errors: result.errors ?? [] }));
