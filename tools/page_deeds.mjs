// What people do with the status page, for tools/check_page.mjs. Each leaves the page where it likes.

const cells = (page, column) =>
  page.$$eval('#zones tbody tr', (rows, at) => rows.map((row) => row.children[at].textContent), column);
const isSorted = (texts) => texts.every((text, at) => at === 0 || texts[at - 1].localeCompare(text, 'en') <= 0);

export const DEEDS = {
  /** The zones are sorted by keyboard, searched, and what was chosen stands in the address. */
  async sorts({ page, address, must, wait, plan }) {
    await page.goto(address);
    await wait(async () => (await page.locator('#zones tbody tr').count()) === plan.zones);
    await page.keyboard.press('Tab');
    must(
      (await page.evaluate(() => document.activeElement.className)) === 'skip',
      'the first key does not reach the way to the content',
    );
    const byName = page.locator('#zones th[data-sort=zone] button');
    await byName.focus();
    await page.keyboard.press('Enter');
    must(await wait(async () => isSorted(await cells(page, 0))), 'zones are not sorted by name');
    must(
      (await page.locator('#zones th[data-sort=zone]').getAttribute('aria-sort')) === 'ascending',
      'nobody hears how zones are sorted',
    );
    await page.keyboard.press('Enter');
    must(await wait(async () => isSorted((await cells(page, 0)).reverse())), 'zones are not sorted backwards');
    await page.selectOption('#sort', 'rate');
    const rates = (await cells(page, 3)).map((text) => Number(text.replaceAll(',', '')));
    must(
      rates.every((rate, at) => at === 0 || rates[at - 1] >= rate),
      `zones are not sorted by rate: ${rates}`,
    );
    const [first] = await cells(page, 0);
    await page.fill('#search', first.toUpperCase());
    must(await wait(async () => (await page.locator('#zones tbody tr').count()) < plan.zones), 'a search leaves all zones');
    must((await cells(page, 0)).includes(first), `a search loses ${first}`);
    must(
      new URL(page.url()).searchParams.get('q') === first.toUpperCase(),
      `what was searched is not in the address ${page.url()}`,
    );
    await page.reload();
    must(
      await wait(async () => {
        const found = await cells(page, 0);
        return found.includes(first) && found.length < plan.zones;
      }),
      'a search is lost when the page is loaded again',
    );
    await page.fill('#search', 'no zone has this name');
    must(
      await wait(() => page.locator('#zones-empty:has-text("No zone matches")').count()),
      'nothing says that no zone matches',
    );
  },

  /** A zone's page is one click away: curves are drawn, and stand in tables too. */
  async opens({ page, address, must, wait }) {
    await page.goto(address);
    const link = page.locator('#zones tbody th a').first();
    await link.waitFor();
    const zone = await link.textContent();
    await link.click();
    must(
      await wait(async () => (await page.locator('#title').textContent()) === zone),
      `the click does not lead to ${zone}`,
    );
    must(await wait(async () => (await page.locator('.chart canvas').count()) >= 4), 'curves are missing');
    if (await page.locator('#calm-title').isVisible()) await page.locator('#calm-title').click();
    must(await wait(async () => (await page.locator('.chart canvas').count()) >= 10), 'calm curves are missing');
    const painted = () =>
      page.$$eval('.chart canvas', (all) =>
        all.slice(0, 2).every((canvas) => {
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size > 8;
        }),
      );
    must(await wait(painted), 'a curve is blank');
    await page.locator('.chart summary').first().click();
    must(
      await wait(async () => (await page.locator('.chart').first().locator('tbody tr').count()) >= 2),
      'a curve has no table',
    );
    const box = await page.locator('.plot').first().boundingBox();
    const last = await page.locator('.readout').first().textContent();
    await page.mouse.move(box.x + box.width * 0.4, box.y + box.height / 2);
    must(
      await wait(async () => (await page.locator('.readout').first().textContent()) !== last),
      'the pointer tells nothing of a curve',
    );
  },

  /** Findings are filtered, and each explains itself. */
  async filters({ page, address, must, wait }) {
    await page.goto(`${address}findings/`);
    const cards = () => page.locator('#list > article').count();
    must(await wait(cards), 'there is no finding');
    must((await page.locator('#lanes .span').count()) > 0, 'the timeline is empty');
    const texts = await page
      .locator('#list > article')
      .first()
      .evaluate((card) => [card.querySelector('.summary').textContent, card.querySelector('.compared').textContent]);
    must(
      texts.every((text) => text.length > 10),
      `a finding does not explain itself: ${texts}`,
    );
    must((await page.locator('#list > article').first().locator('.bars li').count()) > 0, 'a finding names nobody');
    const all = await cards();
    const kinds = await page.$$eval('#kind option', (options) => options.map((option) => option.value).filter(Boolean));
    await page.selectOption('#kind', kinds[0]);
    const ofKind = await page.$$eval('#list > article > header h3', (heads) => heads.map((head) => head.textContent));
    must(
      ofKind.length > 0 && ofKind.every((head) => head.startsWith(kinds[0].replaceAll('_', ' '))),
      `not of ${kinds[0]}: ${ofKind}`,
    );
    await page.selectOption('#kind', '');
    for (const state of ['open', 'over', 'muted']) await page.uncheck(`#filters input[value=${state}]`);
    must(
      await wait(() => page.locator('#list:has-text("No finding matches")').count()),
      'findings that nobody wants are shown',
    );
    must(page.url().includes('hide=open'), `what is hidden is not in the address ${page.url()}`);
    for (const state of ['open', 'over', 'muted']) await page.check(`#filters input[value=${state}]`);
    must(await wait(async () => (await cards()) >= all), 'findings do not come back');
    await page.fill('#zone', 'no zone has this name');
    must(await wait(async () => (await cards()) === 0), 'findings of other zones are shown');
  },

  /** A page left alone renews itself. */
  async renews({ page, address, must, wait }) {
    await page.goto(address);
    await page.locator('#zones tbody tr').first().waitFor();
    await page.evaluate(() => {
      window.isSame = true;
    });
    const before = await cells(page, 3);
    must(await wait(async () => (await cells(page, 3)).join() !== before.join()), 'no rate changes without a reload');
    must(await page.evaluate(() => window.isSame === true), 'the page was loaded again');
    await page.goto(`${address}fleet/`);
    await page.locator('#own').waitFor();
    const read = await wait(() => page.locator('#own').textContent());
    must(
      await wait(async () => (await page.locator('#own').textContent()) !== read),
      'what the worker has read does not grow',
    );
  },

  /** A worker that is gone is said to be gone, and found again. */
  async endures({ page, context, address, must, wait }) {
    await page.goto(address);
    await page.locator('#zones tbody tr').first().waitFor();
    page.forgiven = true;
    await context.setOffline(true);
    must(
      await wait(async () => (await page.locator('#state').textContent()) === 'No answer'),
      'nothing says that the worker is gone',
    );
    must(
      (await page.locator('#silence').textContent()).includes('what you see is from then'),
      'nothing says how old the page is',
    );
    must((await page.locator('#zones tbody tr').count()) > 0, 'what was known is gone with the worker');
    await context.setOffline(false);
    must(
      await wait(async () => (await page.locator('#state').textContent()) === 'Live'),
      'a worker that is back is not found',
    );
    must(await page.locator('#silence').isHidden(), 'an old sentence stays');
    page.forgiven = false;
  },
};
