// A real Chromium for looking at the status page, driven by playwright-core of .cache/tools/full, and the looks that people have at it.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const tools = process.env.ZONEWATCH_TOOLS;
if (!tools) {
  console.error('ZONEWATCH_TOOLS is not set: it names .cache/tools');
  process.exit(2);
}
const modules = join(resolve(tools), 'full', 'node_modules');
const { chromium } = createRequire(join(modules, 'x.js'))('playwright-core');
/** Looks for what keeps people out; run inside the page. */
export const AXE = readFileSync(join(modules, 'axe-core', 'axe.min.js'), 'utf8');

// What the browser would do besides: ask its maker for updates, resolve names.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
];
export const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true },
};

// A path of its own for every run; Playwright makes an empty profile there and removes it.
export const launch = () =>
  chromium.launch({ executablePath: process.env.ZONEWATCH_CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });

/** Waits until `ask` gives something true; undefined when patience ends. */
export async function eventually(ask, patienceMs = 20_000) {
  for (const end = Date.now() + patienceMs; Date.now() < end;) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((wake) => setTimeout(wake, 200));
  }
  return undefined;
}
