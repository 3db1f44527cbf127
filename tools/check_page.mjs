// Looks at the status page in a real Chromium, as a person would: it loads, says nothing on the console, breaks no rule
// of its own policy, asks nobody but 127.0.0.1, renews itself, shows what strangers sent as text, fits a phone, and has
// a light and a dark form. Screenshots are for eyes. Prints what is wrong, a line each, and exits 1 if anything is.
//
//     ZONEWATCH_TOOLS=.cache/tools node tools/check_page.mjs PAGE ZONES TEXTS FOLDER
//
// PAGE is an address, ZONES the number of zones it must show, TEXTS a JSON list of what must stand on it letter by
// letter, FOLDER takes the screenshots.

import { createRequire } from 'node:module';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const [, , address, zonesText, textsJson, folder] = process.argv;
const tools = process.env.ZONEWATCH_TOOLS;
if (!tools || !folder) {
  console.error('usage: ZONEWATCH_TOOLS=.cache/tools node tools/check_page.mjs PAGE ZONES TEXTS FOLDER');
  process.exit(2);
}
const zonesWanted = Number(zonesText);
const texts = JSON.parse(textsJson);
const require = createRequire(join(resolve(tools), 'full', 'node_modules', 'x.js'));
const { chromium } = require('playwright-core');

const PATIENCE_MS = 20_000;
// Once something did not come, nothing else is waited for as long: the page is wrong already.
const IMPATIENCE_MS = 1_000;
// What the browser would do besides: ask its maker for updates, resolve names.
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
];
const LOOKS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  { name: 'phone', colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true },
];

const wrong = [];
const must = (holds, sentence) => { if (!holds) wrong.push(sentence); };

/** Notes everything that a page does and must not. */
async function watched(context, look) {
  const page = await context.newPage();
  page.on('console', (said) => {
    if (['error', 'warning'].includes(said.type())) wrong.push(`${look}: the console says: ${said.text()}`);
  });
  page.on('pageerror', (error) => wrong.push(`${look}: the script failed: ${error.message}`));
  page.on('dialog', (dialog) => { wrong.push(`${look}: a dialog opened: ${dialog.message()}`); dialog.dismiss(); });
  page.on('request', (request) => {
    if (new URL(request.url()).hostname !== '127.0.0.1') wrong.push(`${look}: asked ${request.url()}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) wrong.push(`${look}: ${response.url()} answered ${response.status()}`);
  });
  await page.exposeFunction('noteViolation', (rule, what) => wrong.push(`${look}: ${rule} forbids ${what}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      window.noteViolation(event.effectiveDirective, event.blockedURI);
    });
  });
  return page;
}

/** Name → queries since the start, as the table says. */
const totals = (page) => page.$$eval('#zones tbody tr', (rows) => Object.fromEntries(
  rows.map((row) => [row.querySelector('th')?.textContent, Number(row.querySelector('[data-total]')?.dataset.total)])));

/** Waits until `ask` gives something true; undefined when patience ends. */
async function eventually(ask) {
  for (const end = Date.now() + (wrong.length ? IMPATIENCE_MS : PATIENCE_MS); Date.now() < end;) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((wake) => setTimeout(wake, 200));
  }
  return undefined;
}

async function look(browser, { name, ...options }) {
  const context = await browser.newContext(options);
  const page = await watched(context, name);
  await page.goto(address);
  must((await page.title()).includes('Zonewatch'), `${name}: the title is ${await page.title()}`);

  const before = await eventually(async () => {
    const found = await totals(page);
    return Object.keys(found).length === zonesWanted && found;
  });
  must(before, `${name}: the page never showed ${zonesWanted} zones but ${Object.keys(await totals(page)).join(', ')}`);

  for (const text of texts) {
    const shown = await eventually(async () => (await page.locator('body').evaluate((body) => body.textContent)).includes(text));
    must(shown, `${name}: does not stand there letter by letter: ${text}`);
  }
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });

  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  // The page itself, and tables that would scroll inside it.
  const widest = await page.evaluate(() => Math.max(...[document.documentElement, ...document.querySelectorAll('.wide')]
    .map((part) => part.scrollWidth - part.clientWidth)));
  must(widest <= 0, `${name}: the page is ${widest} px too wide`);
  const handlers = await page.evaluate(() => [...document.querySelectorAll('*')].filter((element) =>
    [...element.attributes].some((attribute) => attribute.name.startsWith('on'))).length);
  must(handlers === 0, `${name}: ${handlers} elements carry handlers`);
  const scripts = await page.evaluate(() => document.scripts.length);
  must(scripts === 1, `${name}: ${scripts} scripts instead of the page's own`);
  return { context, page, before, ground };
}

/** A page left alone renews itself: every zone's count grows, and an opened list stays open. */
async function renews({ page, before }) {
  await page.locator('#zones details summary').first().click();
  const key = await page.locator('#zones details[open]').first().getAttribute('data-key');
  const grown = await eventually(async () => {
    const now = await totals(page);
    return Object.entries(before).every(([zone, count]) => now[zone] > count);
  });
  must(grown, 'the counts of all zones do not grow without a reload');
  const open = await page.$$eval('#zones details[open]', (lists) => lists.map((list) => list.dataset.key));
  must(open.includes(key), 'an opened list closes when the page renews itself');
  await page.screenshot({ path: join(folder, 'opened.png'), fullPage: true });
}

mkdirSync(folder, { recursive: true });
// A path of its own for every run; Playwright makes an empty profile there and removes it.
const browser = await chromium.launch({ executablePath: process.env.ZONEWATCH_CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
try {
  const seen = {};
  for (const each of LOOKS) seen[each.name] = await look(browser, each);
  must(seen.light.ground !== seen.dark.ground, `light and dark look the same: ${seen.light.ground}`);
  if (zonesWanted > 1 && seen.light.before) await renews(seen.light);
} finally {
  await browser.close();
}
for (const sentence of wrong) console.log(sentence);
if (wrong.length === 0) console.log(`${address}: ${LOOKS.length} looks at the page, nothing wrong`);
process.exit(wrong.length === 0 ? 0 : 1);
