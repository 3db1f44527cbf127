// Takes the pictures of docs/pictures of a demo's status page, once its first attack is under way: `cargo xtask screenshots`.
//
//     ZONEWATCH_TOOLS=.cache/tools node tools/take_pictures.mjs PAGE FOLDER

import { join } from 'node:path';
import { eventually, launch, LOOKS } from './page_browser.mjs';

const [, , address, folder] = process.argv;
if (!folder) {
  console.error('usage: ZONEWATCH_TOOLS=.cache/tools node tools/take_pictures.mjs PAGE FOLDER');
  process.exit(2);
}
/** The day's first attack comes some minutes after the start. */
const PATIENCE_MS = 600_000;
const WINDOW = { width: 1280, height: 860 };

const browser = await launch();
const open = async (look, path) => {
  const context = await browser.newContext({
    ...LOOKS[look],
    ...(look === 'phone' ? {} : { viewport: WINDOW }),
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  await page.goto(address + path);
  return page;
};
try {
  const overview = await open('light', '');
  const findings = await eventually(async () => {
    const answer = await fetch(`${address}api/v1/findings`).catch(() => null);
    const document = answer?.ok ? await answer.json() : { findings: [] };
    const attack = document.findings.find((finding) => finding.open && finding.severity === 'critical');
    return attack && document.findings;
  }, PATIENCE_MS);
  if (!findings) throw new Error('no critical finding came');
  const zone = findings.find((finding) => finding.open && finding.severity === 'critical');
  // All are opened before the first is taken: they show one moment.
  const pages = {
    overview,
    zone: await open('dark', `zones/?zone=${encodeURIComponent(zone.zone_id || zone.zone)}`),
    findings: await open('light', 'findings/'),
    phone: await open('phone', ''),
    map: await open('dark', 'map/'),
    fleet: await open('light', 'fleet/'),
  };
  await pages.zone.locator('.chart canvas').first().waitFor();
  await overview.locator('.open-findings li').first().waitFor();
  for (const [name, page] of Object.entries(pages)) await page.screenshot({ path: join(folder, `${name}.png`) });
} finally {
  await browser.close();
}
