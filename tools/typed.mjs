// Holds JSON values against published TypeScript types, by the compiler itself: a field that the type does not have, one
// that is missing and one of another type are all told. What ships its format only as types is checked like this.

import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const FLAGS = ['--noEmit', '--strict', '--skipLibCheck', '--pretty', 'false', '--module', 'nodenext', '--target', 'es2022'];

// What an enumeration stands for, in JSON: published types name its members, and files hold their values.
const PLAIN = `type Plain<T> = T extends string ? \`\${T}\` : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;`;

/** Problems of values, each `{ name, module, type, value }` or with `expression` for what is made of the type; packages are
 * those of `.cache/tools/packaging`. */
export function misfits(tools, values) {
  const packaging = join(resolve(tools), 'packaging');
  const folder = join(packaging, `typed-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    const files = values.map(({ module, type, expression = type, value }, index) => {
      const file = join(folder, `value-${index}.mts`);
      // A field or an item a line, so that the line of a complaint says which one it is.
      const text = JSON.stringify(value, null, 1);
      const head = `import type { ${type} } from ${JSON.stringify(module)}; ${PLAIN}`;
      writeFileSync(file, `${head}\nexport const value: Plain<${expression}> =\n${text};\n`);
      return file;
    });
    const compiler = join(packaging, 'node_modules', 'typescript', 'bin', 'tsc');
    const { status, stdout, stderr, error } = spawnSync(process.execPath, [compiler, ...FLAGS, ...files], { encoding: 'utf8' });
    if (error) throw error;
    const problems = stdout.split('\n').filter((line) => line !== '').map((line) => named(line, values));
    // A compiler that fails without a word has not looked.
    if (status !== 0 && problems.length === 0) problems.push(`tsc ended with ${status}: ${stderr}`);
    return problems;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A complaint with the value's name and the text of its line in place of the file's. */
function named(line, values) {
  const place = /value-(\d+)\.mts\((\d+),\d+\): error \w+: (.*)$/.exec(line);
  if (!place) return line.trim();
  const { name, value } = values[Number(place[1])];
  // Two lines stand before the value.
  const text = JSON.stringify(value, null, 1).split('\n')[Number(place[2]) - 3] ?? '';
  return `${name}: ${text.trim().slice(0, 80)}: ${place[3]}`;
}
