// Holds a CycloneDX list to the schema of its version: npx --package=@cyclonedx/cyclonedx-library … node validate-sbom.mjs FILE
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter } from 'node:path';

// npx puts the programs of the packages that it was asked for first in PATH.
const require = createRequire(`${process.env.PATH.split(delimiter)[0]}/`);
const { Validation } = require('@cyclonedx/cyclonedx-library');

const text = readFileSync(process.argv[2], 'utf8');
const findings = await new Validation.JsonStrictValidator(JSON.parse(text).specVersion).validate(text);
if (findings !== null) {
  console.error(`${process.argv[2]}: ${JSON.stringify(findings, null, 2)}`);
  process.exit(1);
}
