// Checks NDJSON records on standard input against the Elastic Common Schema, as the npm package @elastic/ecs carries it:
// every field is one of ECS's, of its type, an array where ECS wants one, with a value it allows, or stands under a name
// of our own (aws.*, zonewatch.*). Prints what is wrong, a line each, and exits 1 if anything is.
//
//     ZONEWATCH_TOOLS=.cache/tools node tools/check_ecs.mjs < records.ndjson

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';

const OWN = ['aws.', 'zonewatch.'];

const tools = process.env.ZONEWATCH_TOOLS;
if (!tools) {
  console.error('ZONEWATCH_TOOLS is not set: run `cargo xtask test`, or set it to a folder with node_modules/@elastic/ecs');
  process.exit(2);
}
const require = createRequire(join(resolve(tools), 'node_modules', 'x.js'));
const { EcsFlat: fields } = require('@elastic/ecs');
const { version } = require('@elastic/ecs/package.json');

const isInstant = (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value) && !Number.isNaN(Date.parse(value));
const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

/** A sentence about a value that its type does not allow; undefined if it does. */
function misfit(type, value) {
  switch (type) {
    case 'keyword':
    case 'constant_keyword':
    case 'wildcard':
    case 'text':
    case 'match_only_text':
      return typeof value === 'string' ? undefined : 'is not text';
    case 'ip':
      return typeof value === 'string' && isIP(value) !== 0 ? undefined : 'is not an address';
    case 'date':
      return typeof value === 'string' && isInstant(value) ? undefined : 'is not an instant';
    case 'long':
      return Number.isSafeInteger(value) ? undefined : 'is not a whole number';
    case 'float':
      return isNumber(value) ? undefined : 'is not a number';
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'is not a truth value';
    case 'geo_point': {
      const keys = value && typeof value === 'object' ? Object.keys(value).sort().join() : '';
      const fits = keys === 'lat,lon' && isNumber(value.lat) && isNumber(value.lon);
      return fits && Math.abs(value.lat) <= 90 && Math.abs(value.lon) <= 180 ? undefined : 'is not a point';
    }
    default:
      return `has the type ${type}, which this check does not know`;
  }
}

function checkField(path, field, value, problems) {
  const isList = field.normalize.includes('array');
  if (isList !== Array.isArray(value)) {
    problems.push(`${path} ${isList ? 'must' : 'must not'} be an array`);
    return;
  }
  for (const item of isList ? value : [value]) {
    if (field.type === 'object' || field.type === 'nested') {
      for (const [key, inner] of Object.entries(item)) walk(`${path}.${key}`, inner, problems);
      continue;
    }
    const problem = misfit(field.type, item);
    if (problem) problems.push(`${path} ${problem}: ${JSON.stringify(item)}`);
    if (field.allowed_values && !field.allowed_values.some((allowed) => allowed.name === item)) {
      problems.push(`${path} must not be ${JSON.stringify(item)}`);
    }
  }
}

function walk(path, value, problems) {
  const field = fields[path];
  const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
  if (field) {
    checkField(path, field, value, problems);
  } else if (isObject) {
    for (const [key, inner] of Object.entries(value)) walk(`${path}.${key}`, inner, problems);
  } else if (!OWN.some((prefix) => path.startsWith(prefix))) {
    problems.push(`${path} is not in ECS ${version}`);
  }
}

function check(record) {
  const problems = [];
  for (const [key, value] of Object.entries(record)) walk(key, value, problems);
  if (record['@timestamp'] === undefined) problems.push('@timestamp is missing');
  if (record.ecs?.version !== version) problems.push(`ecs.version is not ${version}: ${record.ecs?.version}`);
  for (const category of record.event?.category ?? []) {
    const known = fields['event.category'].allowed_values.find((allowed) => allowed.name === category);
    for (const type of record.event?.type ?? []) {
      if (known?.expected_event_types && !known.expected_event_types.includes(type)) {
        problems.push(`event.type ${type} does not belong to event.category ${category}`);
      }
    }
  }
  return problems;
}

const lines = readFileSync(0, 'utf8').split('\n').filter((line) => line !== '');
let wrong = 0;
for (const [index, line] of lines.entries()) {
  for (const problem of check(JSON.parse(line))) {
    console.error(`line ${index + 1}: ${problem}`);
    wrong += 1;
  }
}
if (lines.length === 0) {
  console.error('no records on standard input');
  wrong += 1;
}
console.log(`${lines.length} records checked against ECS ${version}, ${wrong} problems`);
process.exit(wrong === 0 ? 0 : 1);
