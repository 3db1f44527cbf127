// Checks objects of the Prometheus operator by the operator's own definitions, as the npm package
// @kubernetes-models/prometheus-operator carries them: the values by its validator, which lets unknown fields pass, and the
// fields by its types. Prints what is wrong, a line each, and exits 1 if anything is.
//
//     ZONEWATCH_TOOLS=.cache/tools node tools/kubernetes/check_operator.mjs OBJECTS.json

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { misfits } from '../typed.mjs';

const [, , file] = process.argv;
const tools = process.env.ZONEWATCH_TOOLS;
if (!tools || !file) {
  console.error('usage: ZONEWATCH_TOOLS=.cache/tools node tools/kubernetes/check_operator.mjs OBJECTS.json');
  process.exit(2);
}
const PACKAGE = '@kubernetes-models/prometheus-operator';
const folder = join(resolve(tools), 'packaging', 'node_modules', PACKAGE);

const objects = JSON.parse(readFileSync(file, 'utf8'));
const problems = [];
for (const object of objects) {
  const { [object.kind]: Model } = await import(pathToFileURL(join(folder, object.apiVersion, `${object.kind}.js`)));
  try {
    new Model(object).validate();
  } catch (error) {
    problems.push(`${object.kind} ${object.metadata.name}: ${error.message}`);
  }
}
problems.push(...misfits(tools, objects.map((object) => ({
  name: `${object.kind} ${object.metadata.name}`,
  module: `${PACKAGE}/${object.apiVersion}/${object.kind}`,
  type: `I${object.kind}`,
  value: object,
}))));
if (objects.length === 0) problems.push('no objects of the operator');
for (const problem of problems) console.error(problem);
console.log(`${objects.length} objects of the Prometheus operator checked, ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
