// Takes the pictures of docs/pictures of a demo's status page, once its first attack is seen in a zone's curves:
// `cargo xtask screenshots`.
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

/** A document of the API; an empty one if it could not be had. */
const document = async (name) => {
  const answer = await fetch(`${address}api/v1/${name}`).catch(() => null);
  return answer?.ok ? answer.json() : { findings: [] };
};
/** Whether a curve has gone up in the last minutes. */
const shows = (counts) => counts.length > 20 && Math.min(...counts.slice(-5)) > 1.5 * Math.max(...counts.slice(0, 10));

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
  const zone = await eventually(async () => {
    const { findings } = await document('findings');
    for (const finding of findings.filter((finding) => finding.open && finding.severity === 'critical')) {
      const zone = finding.zone_id || finding.zone;
      const { history } = await document(`zones/${encodeURIComponent(zone)}`);
      if (history && shows(history.queries)) return zone;
    }
    return null;
  }, PATIENCE_MS);
  if (!zone) throw new Error('no critical finding came of a zone whose curve shows it');
  // All are opened before the first is taken: they show one moment.
  const pages = {
    overview,
    zone: await open('dark', `zones/?zone=${encodeURIComponent(zone)}`),
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
