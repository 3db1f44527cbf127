// What goes wrong around the status page, and documents that no demo has: more deeds for tools/check_page.mjs. Each has a page of
// its own, whose complaints nobody notes, and closes it.

import { connect, createServer } from 'node:net';

/** A way to the worker that can be cut, as if it had died: whoever is connected is cut off, whoever comes is refused. */
async function way(address) {
  const { hostname, port } = new URL(address);
  const open = new Set();
  const make = () =>
    createServer((client) => {
      const server = connect(port, hostname);
      for (const [one, other] of [
        [client, server],
        [server, client],
      ]) {
        open.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          open.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
  const listen = (server, at) => new Promise((done) => server.listen(at, '127.0.0.1', () => done(server)));
  let server = await listen(make(), 0);
  const own = server.address().port;
  return {
    address: `http://127.0.0.1:${own}/`,
    cut: () =>
      new Promise((done) => {
        server.close(done);
        for (const socket of open) socket.destroy();
      }),
    mend: async () => {
      server = await listen(make(), own);
    },
  };
}

/** A page of its own for one deed. */
async function alone({ context }, deed) {
  const page = await context.newPage();
  const says = (id, text) => async () => ((await page.locator(id).textContent()) ?? '').includes(text);
  try {
    await deed(page, says);
  } finally {
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    await page.close();
  }
}

/** Answers a document of the API as `change` makes it of the worker's; returns how many times that was done. */
async function answered(page, path, change) {
  const seen = { count: 0 };
  await page.route(`**/api/v1/${path}`, async (route) => {
    const answer = await route.fetch();
    const document_ = await answer.json();
    seen.count += 1;
    await route.fulfill({ json: change(document_, seen.count) ?? document_ });
  });
  return seen;
}

const refuse = (status, body) => (route) => route.fulfill({ status, contentType: 'text/plain', body });

export const FAULTS = {
  /** A worker that has died is said to be gone, though the browser goes on trying to listen, and found again. */
  async outlives(check) {
    const { address, must, wait } = check;
    const between = await way(address);
    await alone(check, async (page, says) => {
      await page.goto(between.address);
      must(await wait(says('#state', 'Live')), 'a page behind a proxy is not live');
      must(await wait(() => page.locator('#zones tbody tr').count()), 'a page behind a proxy has no zones');
      await between.cut();
      must(await wait(says('#state', 'No answer')), 'a page whose worker died still says that it is live');
      must(await says('#silence', 'Is the worker running')(), 'nothing says what a silent worker may be');
      must((await page.locator('#zones tbody tr').count()) > 0, 'what was known has died with the worker');
      await between.mend();
      must(await wait(says('#state', 'Live')), 'a worker that was started again is not found');
    });
    await between.cut();
  },

  /** Refusals are no answers: what was known stays, under a word that says how old it is. */
  async refuses(check) {
    const { address, must, wait, plan } = check;
    await alone(check, async (page, says) => {
      await page.goto(address);
      must(await wait(() => page.locator('#zones tbody tr').count()), 'there is no zone to lose');
      for (const status of [503, 404]) {
        await page.route('**/api/v1/zones', refuse(status, 'not now <b>'));
        must(await wait(says('#state', 'No answer')), `a page whose zones are answered ${status} says that it is live`);
        must(await says('#silence', 'not now <b>')(), `nothing says what the ${status} said`);
        must((await page.locator('#zones tbody tr').count()) > 0, `zones are lost by a ${status}`);
        await page.unroute('**/api/v1/zones');
        must(await wait(says('#state', 'Live')), `a page does not come back from a ${status}`);
      }
      await page.route('**/api/v1/findings', refuse(503, 'not now'));
      await page.goto(address);
      must(await wait(says('#tiles', 'could not be had')), 'findings that could not be had are counted');
      must(!(await says('#tiles', 'windows are off')()), 'windows are said to be off by whoever was not answered');
      await page.goto(`${address}zones/?zone=${encodeURIComponent(plan.zone)}`);
      must(await wait(() => page.locator('#content').isVisible()), 'the zone does not come');
      await page.route('**/api/v1/zones/*', refuse(404, 'nothing is known of it'));
      must(await wait(() => page.locator('#content').isHidden()), 'a zone that is not known stays as it was');
      must(await wait(says('#missing', 'Nothing is known of this zone')), 'nothing says that the zone is not known');
    });
  },

  /** Where there was no room to listen, it is tried again, and again. */
  async listens(check) {
    const { address, must, wait } = check;
    await alone(check, async (page, says) => {
      let tries = 0;
      await page.clock.install();
      await page.route('**/api/v1/events', (route) => {
        tries += 1;
        return refuse(503, 'no room')(route);
      });
      await page.goto(address);
      must(await wait(says('#state', 'Every 5 s')), 'a page that nobody tells of changes does not say so');
      for (const times of [2, 3]) {
        await page.clock.fastForward(61_000);
        must(await wait(() => tries >= times), `to listen was tried ${tries} times and not ${times}`);
      }
      await page.unroute('**/api/v1/events');
      await page.clock.fastForward(61_000);
      must(await wait(says('#state', 'Live')), 'a page for which there is room again does not listen');
    });
  },

  /** Every link to a finding leads to its card, however many there are. */
  async leads(check) {
    const { address, must, wait } = check;
    await alone(check, async (page) => {
      await answered(page, 'findings', (document_) => {
        const [first] = document_.findings;
        document_.findings = Array.from({ length: 90 }, (_, at) => ({ ...first, id: `many-${at}`, open: at === 0 }));
      });
      const chosen = async () => (await page.$$eval('.finding.chosen', (all) => all.map((card) => card.id))).join();
      await page.goto(`${address}findings/#f-many-80`);
      must(await wait(async () => (await chosen()) === 'f-many-80'), 'a link to a finding without a card leads nowhere');
      await page.locator('#lanes a[href="#f-many-70"]').evaluate((bar) => bar.click());
      must(await wait(async () => (await chosen()) === 'f-many-70'), 'a bar of a finding without a card leads nowhere');
      must(await page.locator('#more').textContent(), 'nothing says that there are more findings');
      await page.evaluate(() => {
        location.hash = '';
      });
      await page.fill('#zone', 'no zone has this name');
      must(
        await wait(async () => (await page.locator('#more').textContent()) === ''),
        'more findings are promised where none matches',
      );
    });
  },

  /** Whoever has focused something keeps it while the page renews itself. */
  async keeps(check) {
    const { address, must, wait, plan } = check;
    const aging = (document_, times) => {
      for (const finding of document_.findings) finding.age_seconds = times;
    };
    await alone(check, async (page) => {
      const renewals = [
        await answered(page, 'findings', aging),
        await answered(page, 'zones/*', (document_, times) => {
          aging(document_, times);
          document_.findings[0].open = true;
        }),
        await answered(page, 'zones', () => null),
      ];
      for (const [path, place, renewal] of [
        ['findings/', '#list article a', renewals[0]],
        [`zones/?zone=${encodeURIComponent(plan.zone)}`, '#findings article a', renewals[1]],
        [`zones/?zone=${encodeURIComponent(plan.zone)}`, '#badges a', renewals[1]],
        ['zones/', '#missing .choice a', renewals[2]],
      ]) {
        await page.goto(address + path);
        const focused = page.locator(place).first();
        must(await wait(() => focused.count()), `${path}: nothing to focus at ${place}`);
        await focused.evaluate((link) => {
          link.focus();
          window.focused = link;
        });
        const before = renewal.count;
        const renewed = await wait(async () => {
          // As if somebody came back to it: what does not change by itself is asked for too.
          await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
          return renewal.count >= before + 3;
        });
        must(renewed, `${path}: the page does not renew itself`);
        must(await page.evaluate(() => document.activeElement === window.focused), `${path}: ${place} loses the focus`);
      }
    });
  },

  /** Curves that nothing renews any more are not shown. */
  async forgets(check) {
    const { address, must, wait, plan } = check;
    await alone(check, async (page) => {
      let now = 'all';
      await answered(page, 'zones/*', ({ history, ...rest }) => {
        const { queries } = history.signals;
        if (now === 'one') return { ...rest, history: { ...history, signals: { queries }, response_codes: {} } };
        return { ...rest, history: now === 'none' ? null : history };
      });
      const curves = () => page.locator('.chart:visible').count();
      await page.goto(`${address}zones/?zone=${encodeURIComponent(plan.zone)}`);
      must(await wait(async () => (await curves()) >= 4), 'curves are missing');
      for (const [history, left] of [
        ['one', 1],
        ['none', 0],
      ]) {
        now = history;
        must(await wait(async () => (await curves()) === left), `${await curves()} curves stay, and ${left} are renewed`);
      }
      now = 'all';
      must(await wait(async () => (await curves()) >= 4), 'curves do not come back');
    });
  },

  /** How far behind others' shards are, nobody claims to know. */
  async knows(check) {
    const { address, must, wait } = check;
    await alone(check, async (page, says) => {
      await answered(page, 'fleet', (document_) => {
        const [one] = document_.shards;
        document_.shards = [2.5, null, null].map((behind_seconds, at) => ({
          ...one,
          shard: `shardId-00000000000${at}`,
          state: 'held',
          behind_seconds,
        }));
      });
      for (const path of ['', 'fleet/']) {
        await page.goto(address + path);
        must(
          await wait(says('#tiles', 'of 1 of 3 shards, those of this worker')),
          `${path || 'overview'}: one worker's shards stand for all`,
        );
      }
    });
  },
};
