// Looks at the status page in a real Chromium, as people would. Every page, light, dark and on a telephone: it says nothing on the
// console, breaks no rule of its own policy, asks nobody but 127.0.0.1, shows what strangers sent as text, is no wider than the
// screen, and axe finds nothing that keeps people out. Then what can be done with it. Screenshots are for eyes. Prints what is
// wrong, a line each, and exits 1 if anything is.
//
//     ZONEWATCH_TOOLS=.cache/tools node tools/check_page.mjs PAGE PLAN FOLDER
//
// PAGE is an address, FOLDER takes the screenshots, PLAN is JSON:
//   zones      how many zones there must be
//   texts      by page, what must stand on it letter by letter
//   zone       which zone's page is looked at
//   does       which deeds of page_deeds.mjs and page_faults.mjs are done, in this order
//   state      what stands at the head of the page: Live, A copy
//   refused    paths below api/v1/ that may be answered 404 here

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AXE, eventually, launch, LOOKS } from './page_browser.mjs';
import { DEEDS } from './page_deeds.mjs';
import { FAULTS } from './page_faults.mjs';

const [, , address, planJson, folder] = process.argv;
if (!folder) {
  console.error('usage: ZONEWATCH_TOOLS=.cache/tools node tools/check_page.mjs PAGE PLAN FOLDER');
  process.exit(2);
}
const plan = { texts: {}, does: [], refused: [], state: 'Live', ...JSON.parse(planJson) };
// Once something did not come, nothing else is waited for as long: the page is wrong already.
const PATIENCE_MS = 20_000;
const IMPATIENCE_MS = 1_000;

const wrong = [];
const must = (holds, sentence) => {
  if (!holds) wrong.push(sentence);
};
const wait = (ask) => eventually(ask, wrong.length ? IMPATIENCE_MS : PATIENCE_MS);

const PAGES = [
  ['overview', '', '#zones tbody tr'],
  ['zone', `zones/?zone=${encodeURIComponent(plan.zone ?? '')}`, '#lists .bars li'],
  ['findings', 'findings/', '#list > *:not(.waiting) .finding, #list > article, #list .empty:not(.waiting)'],
  ['map', 'map/', '#edges tbody tr, #empty .empty:not(.waiting)'],
  ['fleet', 'fleet/', '#workers tbody tr'],
];

/** Notes everything that a page does and must not. */
async function watched(context, look) {
  const page = await context.newPage();
  // Whoever cuts the connection expects complaints.
  page.forgiven = false;
  const note = (sentence) => {
    if (!page.forgiven) wrong.push(sentence);
  };
  const isRefused = (url) => plan.refused.some((path) => new URL(url).pathname.endsWith(`/api/v1/${path}`));
  page.on('console', (said) => {
    const refused = said.location().url && isRefused(said.location().url);
    if (['error', 'warning'].includes(said.type()) && !refused)
      note(`${look}: the console says: ${said.text()} ${said.location().url}`);
  });
  page.on('pageerror', (error) => note(`${look}: the script failed: ${error.stack}`));
  page.on('dialog', (dialog) => {
    note(`${look}: a dialog opened: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => {
    if (new URL(request.url()).hostname !== '127.0.0.1') note(`${look}: asked ${request.url()}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400 && !isRefused(response.url()))
      note(`${look}: ${response.url()} answered ${response.status()}`);
  });
  await page.exposeFunction('noteViolation', (rule, what) => note(`${look}: ${rule} forbids ${what}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      window.noteViolation(event.effectiveDirective, event.blockedURI);
    });
  });
  return page;
}

const textOf = (page) => page.locator('body').evaluate((body) => body.textContent);

/** What holds of every page, whatever it shows. */
async function sound(page, where) {
  must((await page.title()).includes('Zonewatch'), `${where}: the title is ${await page.title()}`);
  const state = await wait(async () => (await page.locator('#state').textContent()) === plan.state);
  must(state, `${where}: its head says ${await page.locator('#state').textContent()} and not ${plan.state}`);
  const widest = await page.evaluate(() =>
    Math.max(
      ...[document.documentElement, ...document.querySelectorAll('main > :not(.unseen), .wide')].map(
        (part) => part.scrollWidth - part.clientWidth,
      ),
    ),
  );
  // Half pixels are rounded up.
  must(widest <= 1, `${where}: the page is ${widest} px too wide`);
  const handlers = await page.evaluate(
    () =>
      [...document.querySelectorAll('*')].filter((element) =>
        [...element.attributes].some((attribute) => attribute.name.startsWith('on')),
      ).length,
  );
  must(handlers === 0, `${where}: ${handlers} elements carry handlers`);
  const foreign = await page.evaluate(() =>
    [...document.querySelectorAll('script, img, a[href]')]
      .map((element) => element.src || element.href)
      .filter((url) => url && new URL(url).origin !== location.origin),
  );
  must(foreign.length === 0, `${where}: leads to ${foreign.join(', ')}`);
  const scripts = await page.evaluate(
    () => [...document.scripts].filter((script) => !script.src.includes('/assets/')).length,
  );
  must(scripts === 0, `${where}: ${scripts} scripts that are not the page's own`);
  // By the protocol of the tools, which the page's policy does not reach.
  await page.evaluate(AXE);
  const found = await page.evaluate(async () =>
    (await window.axe.run()).violations.map(
      (violation) =>
        `${violation.id}: ${violation.help}: ${violation.nodes
          .slice(0, 3)
          .map((node) => node.target.join(' '))
          .join(', ')}`,
    ),
  );
  for (const violation of found) wrong.push(`${where}: axe: ${violation}`);
}

async function look(browser, name, options) {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  const page = await watched(context, name);
  for (const [title, path, content] of PAGES) {
    if (title === 'zone' && !plan.zone) continue;
    const where = `${name}, ${title}`;
    await page.goto(address + path);
    must(await wait(() => page.locator(content).count()), `${where}: it stays empty`);
    if (title === 'overview') {
      const rows = await wait(async () => (await page.locator('#zones tbody tr').count()) === plan.zones);
      must(rows, `${where}: never showed ${plan.zones} zones but ${await page.locator('#zones tbody tr').count()}`);
    }
    for (const text of plan.texts[title] ?? []) {
      must(
        await wait(async () => (await textOf(page)).includes(text)),
        `${where}: does not stand there letter by letter: ${text}`,
      );
    }
    await sound(page, where);
    await page.screenshot({ path: join(folder, `${title}-${name}.png`), fullPage: true });
  }
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  return { context, page, ground };
}

mkdirSync(folder, { recursive: true });
const browser = await launch();
try {
  const seen = {};
  for (const [name, options] of Object.entries(LOOKS)) seen[name] = await look(browser, name, options);
  must(seen.light.ground !== seen.dark.ground, `light and dark look the same: ${seen.light.ground}`);
  for (const name of wrong.length === 0 ? plan.does : []) {
    await { ...DEEDS, ...FAULTS }[name]({ page: seen.light.page, context: seen.light.context, address, must, wait, plan });
  }
} catch (error) {
  wrong.push(`the check ended early: ${error.stack}`);
} finally {
  await browser.close();
}
for (const sentence of wrong) console.log(sentence);
if (wrong.length === 0)
  console.log(`${address}: ${PAGES.length} pages in ${Object.keys(LOOKS).length} looks, nothing wrong`);
process.exit(wrong.length === 0 ? 0 : 1);
