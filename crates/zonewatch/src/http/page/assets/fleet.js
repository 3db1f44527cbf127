// The fleet: who lives, who holds which shard, how far behind it is, and what moved.

import { byId, el, fill, keyed, name, say } from './dom.js';
import { bytes, clock, plural, rate, span, whole } from './format.js';
import { asOf, placeholder, watch } from './live.js';
import { isLate, lookAtShards, ofWorkers, tiles } from './parts.js';

const SHARDS = 300;
/** Tables are looked at each five seconds while somebody looks; in a large fleet more rarely. */
const OLD_LOOK_S = 60;

const STATES = { working: ['●', 'working'], leaving: ['◐', 'leaving'], silent: ['◇', 'silent'] };
const SHARD_STATES = {
  held: ['■', 'held'],
  free: ['□', 'without a worker'],
  waiting: ['◌', 'waits for its parents'],
  ended: ['–', 'ended'],
};
const short = (shard) => shard.replace(/^shardId-0*(?=\d)/, '');
const order = (one, other) => one.stream.localeCompare(other.stream, 'en') || one.shard.localeCompare(other.shard, 'en');

function figures({ workers, shards }) {
  const { open, held, free, waiting, late, furthest, ofKnown } = lookAtShards(shards);
  const read = open.map((shard) => shard.bytes_per_second).filter((number) => typeof number === 'number');
  const ofShards =
    free > 0 ? `${free} without a worker` : waiting > 0 ? `${waiting} wait for their parents` : 'every one has a worker';
  const ofLag = late > 0 ? `${plural(late, 'shard')} by more than a minute` : 'none by more than a minute';
  return [
    ofWorkers(workers),
    ['shards held', `${whole(held)} of ${whole(open.length)}`, ofShards, free > 0 ? 'warning' : ''],
    ['furthest behind', furthest, [ofKnown, ofLag].filter(Boolean).join(': '), late > 0 ? 'warning' : ''],
    ['read a second', read.length > 0 ? bytes(read.reduce((sum, number) => sum + number, 0)) : '–', 'over all shards'],
  ];
}

function drawWorkers({ workers, shards }) {
  const held = (worker) => shards.filter((shard) => shard.owner === worker.worker && shard.state !== 'ended').sort(order);
  // Shards whose owner nobody knows stand in a row of their own: they are what somebody looks for.
  const nobody = shards.filter((shard) => shard.state === 'free' || shard.state === 'waiting').sort(order);
  const rows = [
    ...workers.map((worker) => [worker.worker, worker, held(worker)]),
    ...(nobody.length > 0 ? [['', null, nobody]] : []),
  ];
  keyed(
    byId('workers').tBodies[0],
    rows,
    ([key]) => key,
    () =>
      el(
        'tr',
        {},
        el('th', { scope: 'row', 'data-label': 'worker' }),
        el('td', { 'data-label': 'state' }),
        el('td', { 'data-label': 'last sign', class: 'number' }),
        el('td', { 'data-label': 'cores', class: 'number' }),
        el('td', { 'data-label': 'shards', class: 'number' }),
        el('td', { 'data-label': 'holds' }),
      ),
    (node, [key, worker, of]) => {
      const [title, state, age, cores, count, cells] = node.children;
      node.className = worker?.state ?? 'nobody';
      if (node.of !== key) {
        node.of = key;
        fill(
          title,
          worker ? name(key, 60) : 'no worker',
          worker?.this ? el('span', { class: 'quiet' }, ' answers this page') : null,
        );
        fill(cells, el('ol', { class: 'cells' }));
      }
      const [mark, word] = STATES[worker?.state] ?? ['□', 'waiting'];
      say(
        state,
        `${mark} ${worker ? word : 'nobody reads these'}${worker?.not_ready_because ? `, not ready: ${worker.not_ready_because}` : ''}`,
      );
      say(age, worker ? span(worker.age_seconds) : '–');
      say(cores, worker ? rate(worker.capacity) : '–');
      say(count, whole(of.length));
      keyed(
        cells.children[0],
        of,
        (shard) => `${shard.stream}/${shard.shard}`,
        () => el('li'),
        (cell, shard) => {
          cell.className = `cell ${shard.state}${isLate(shard) ? ' late' : ''}`;
          say(cell, short(shard.shard) + (isLate(shard) ? ' ▲' : ''));
          const words = `${shard.stream} ${shard.shard}: ${SHARD_STATES[shard.state]?.[1] ?? shard.state}, ${shard.behind_seconds === null ? 'how far behind is not known' : `${span(shard.behind_seconds)} behind`}`;
          if (cell.title !== words) cell.title = words;
        },
      );
    },
  );
  const own = workers.find((worker) => worker.this);
  const rejects = Object.entries(own?.rejects ?? {}).sort((one, other) => other[1] - one[1]);
  say(
    byId('own'),
    own
      ? `The worker that answers, ${own.worker}, is up ${span(own.uptime_seconds)} and has read ${whole(own.queries_total)} queries. ` +
          (rejects.length > 0
            ? `Rejects: ${rejects.map(([reason, count]) => `${reason} ${whole(count)}`).join(', ')}.`
            : 'Everything that it read could be used.')
      : '',
  );
}

function drawShards({ shards, total }) {
  const sorted = [...shards].sort(
    (one, other) => Number(one.state === 'ended') - Number(other.state === 'ended') || order(one, other),
  );
  keyed(
    byId('shards').tBodies[0],
    sorted.slice(0, SHARDS),
    (shard) => `${shard.stream}/${shard.shard}`,
    () =>
      el(
        'tr',
        {},
        el('th', { scope: 'row', 'data-label': 'shard' }),
        ...['stream', 'state', 'worker of'].map((label) => el('td', { 'data-label': label })),
        ...['behind', 'checkpoint', 'a second'].map((label) => el('td', { 'data-label': label, class: 'number' })),
      ),
    (node, shard) => {
      const [mark, word] = SHARD_STATES[shard.state] ?? ['', shard.state];
      node.className = `${shard.state}${isLate(shard) ? ' late' : ''}`;
      const parents =
        shard.state === 'waiting' && shard.parents?.length > 0 ? `: ${shard.parents.map(short).join(', ')}` : '';
      [
        short(shard.shard),
        shard.stream,
        `${mark} ${word}${parents}`,
        shard.owner ?? '–',
        `${isLate(shard) ? '▲ ' : ''}${span(shard.behind_seconds)}`,
        span(shard.checkpoint_age_seconds),
        shard.bytes_per_second === null || shard.bytes_per_second === undefined ? '–' : bytes(shard.bytes_per_second),
      ].forEach((text, at) => say(node.children[at], text));
      if (node.firstElementChild.title !== shard.shard) node.firstElementChild.title = shard.shard;
    },
  );
  say(
    byId('shards-more'),
    total > Math.min(SHARDS, sorted.length)
      ? `and ${whole(total - Math.min(SHARDS, sorted.length))} more, in the JSON or in zonewatch leases list`
      : '',
  );
}

function drawMoves({ moves }) {
  if (moves.length === 0) {
    return placeholder(
      byId('moves'),
      'No shard has moved since this worker looks.',
      'Shards move when a worker comes, goes or dies, or when loads differ by a tenth or more.',
    );
  }
  if (!byId('moves').querySelector('ol')) fill(byId('moves'), el('ol', { class: 'moves' }));
  keyed(
    byId('moves').firstElementChild,
    moves.slice(0, 100),
    (move) => `${move.time_ms} ${move.stream} ${move.shard} ${move.to}`,
    () => el('li', {}, el('time'), el('span')),
    (node, move) => {
      say(node.children[0], `${clock(move.time_ms, true)} UTC`);
      say(node.children[1], `${move.stream} ${short(move.shard)}: ${move.from ?? 'nobody'} → ${move.to ?? 'nobody'}`);
    },
  );
}

/** What is to say of how well this is known. */
function note(fleet, refused) {
  if (refused) return `The fleet could not be looked at again (${refused.message}), so this is from before.`;
  if (fleet.look_age_seconds > OLD_LOOK_S) {
    return `The tables of leases and workers last answered ${span(fleet.look_age_seconds)} ago. zonewatch doctor says what is wrong with them.`;
  }
  if (fleet.unreadable_leases > 0)
    return `${plural(fleet.unreadable_leases, 'row')} of the lease table can’t be read: zonewatch leases list names them.`;
  return fleet.scope === 'worker' ? 'Only what this worker knows of itself is shown.' : null;
}

function draw(documents, refused) {
  const fleet = documents.fleet;
  const nobody = fleet && (fleet.workers ?? []).length === 0;
  byId('content').hidden = !fleet || nobody;
  if (refused.fleet && !fleet)
    return placeholder(byId('empty'), 'The fleet could not be looked at.', refused.fleet.message);
  if (!fleet) return;
  if (nobody)
    placeholder(
      byId('empty'),
      'No worker is known yet.',
      'The tables of leases and workers have not answered so far. zonewatch doctor says what is wrong with them.',
    );
  else fill(byId('empty'));
  asOf(fleet, note(fleet, refused.fleet));
  const whole_ = {
    workers: fleet.workers ?? [],
    shards: fleet.shards ?? [],
    moves: fleet.moves ?? [],
    total: fleet.shards_total ?? fleet.shards?.length ?? 0,
  };
  tiles(byId('tiles'), figures(whole_));
  drawWorkers(whole_);
  drawShards(whole_);
  drawMoves(whole_);
}

watch({ fleet: { path: 'fleet', tags: ['fleet'], counts: true } }, draw);
