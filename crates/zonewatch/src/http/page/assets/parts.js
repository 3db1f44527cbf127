// Pieces that more than one page shows.

import { el, fill, keyed, name, say, svg } from './dom.js';
import { kindName, MARKS, millis, moment, plural, share, signalName, span, valued, whole } from './format.js';
import { placeholder } from './live.js';

/** A shard further behind than this is late: alerts begin there. */
const LATE_S = 60;

/** A severity: its shape, its word, its colour. */
export function badge(severity) {
  const mark = MARKS[severity];
  return el(
    'span',
    { class: `badge ${mark ? severity : 'info'}` },
    el('span', { 'aria-hidden': 'true' }, mark ?? '●'),
    ` ${severity}`,
  );
}

/** What a finding is now: over, muted, or how bad. */
export const state = (finding) => (finding.muted ? 'muted' : finding.open ? finding.severity : 'over');

/** The id of the finding to which the address leads; nothing if it leads to none. */
export function chosenFinding() {
  if (!location.hash.startsWith('#f-')) return null;
  try {
    return decodeURIComponent(location.hash.slice(3));
  } catch {
    // Somebody typed it.
    return null;
  }
}

/** A link to a zone's page. Ids are what zones are told apart by; two zones may share a name. */
export function zoneLink(up, zone) {
  // Zones that are counted together have no id, and no page.
  const key = zone.zone_id;
  const shown = zone.zone || zone.zone_id;
  if (!key || !shown) return el('span', {}, 'all other zones');
  return el('a', { href: `${up}zones/?zone=${encodeURIComponent(key)}` }, name(shown));
}

/** The figures at the head of a page: `[label, value, note, kind]`, where the kind is a severity or nothing. */
export function tiles(list, rows) {
  keyed(
    list,
    rows,
    ([label]) => label,
    () => el('li', {}, el('b'), el('span', { class: 'label' }), el('span', { class: 'note' })),
    (node, [label, value, note, kind]) => {
      node.className = kind ?? '';
      [value, label, note].forEach((text, at) => say(node.children[at], text));
    },
  );
}

export const isLate = (shard) => (shard.behind_seconds ?? 0) > LATE_S;

/** What the shards that have not ended come to. How far behind others' are only their own workers know: `ofKnown` says so. */
export function lookAtShards(shards) {
  const open = shards.filter((shard) => shard.state !== 'ended');
  const count = (state) => open.filter((shard) => shard.state === state).length;
  const behind = open.map((shard) => shard.behind_seconds).filter((seconds) => typeof seconds === 'number');
  return {
    open,
    held: count('held'),
    free: count('free'),
    waiting: count('waiting'),
    late: open.filter(isLate).length,
    furthest: behind.length > 0 ? span(Math.max(...behind)) : '–',
    ofKnown: behind.length < open.length ? `of ${whole(behind.length)} of ${plural(open.length, 'shard')}, those of this worker` : '',
  };
}

/** The tile of workers. */
export function ofWorkers(workers) {
  const count = (state) => workers.filter((worker) => worker.state === state).length;
  const [silent, leaving] = [count('silent'), count('leaving')];
  const words = silent > 0 ? `${silent} silent` : leaving > 0 ? `${leaving} leaving` : 'all working';
  return ['workers', whole(workers.length), words, silent > 0 ? 'warning' : ''];
}

/** A score as a small bar up to 1, where an alert begins, and as a number. */
export function meter(score) {
  if (score === null || score === undefined) return el('span', { class: 'quiet' }, '–');
  const alerts = score >= 1;
  return el(
    'span',
    { class: alerts ? 'meter alerts' : 'meter' },
    svg(
      'svg',
      { width: 44, height: 8, 'aria-hidden': 'true' },
      svg('rect', { class: 'trough', width: 44, height: 8, rx: 2 }),
      svg('rect', { class: 'level', width: Math.max(1, 44 * Math.min(1, Math.max(0, score))), height: 8, rx: 2 }),
    ),
    el('b', {}, alerts ? `▲ ${score.toFixed(2)}` : score.toFixed(2)),
  );
}

/** The curve of the last hour: `[start, queries]` a minute. What is not known is left out, not drawn as nothing. */
export function sparkline(minutes) {
  const [width, height] = [132, 28];
  const picture = svg('svg', { class: 'spark', viewBox: `0 0 ${width} ${height}`, width, height, 'aria-hidden': 'true' });
  if (minutes.length < 2) return picture;
  const first = minutes[0][0];
  const last = minutes[minutes.length - 1][0];
  const highest = Math.max(1, ...minutes.map(([, queries]) => queries));
  const points = minutes.map(([at, queries]) => {
    const x = ((at - first) / Math.max(1, last - first)) * (width - 2) + 1;
    return `${x.toFixed(1)} ${(height - 2 - (height - 5) * (queries / highest)).toFixed(1)}`;
  });
  picture.append(
    svg('path', {
      class: 'area',
      d: `M${points[0].split(' ')[0]} ${height - 1}L${points.join('L')}L${width - 1} ${height - 1}z`,
    }),
    svg('path', { class: 'line', d: `M${points.join('L')}` }),
  );
  return picture;
}

/** A list of names with their share as bars. `rows` are `[name, text, part of the longest bar]`. */
export function bars(title, rows, empty) {
  const list = el(
    'ol',
    { class: 'bars' },
    rows.map(([text, amount, part]) =>
      el(
        'li',
        {},
        svg(
          'svg',
          { class: 'bar', viewBox: '0 0 100 4', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
          svg('rect', { width: (100 * Math.min(1, Math.max(0.005, part))).toFixed(1), height: 4 }),
        ),
        name(text, 64),
        el('span', { class: 'amount' }, amount),
      ),
    ),
  );
  return el('section', { class: 'list' }, el('h3', {}, title), rows.length > 0 ? list : el('p', { class: 'quiet' }, empty));
}

const MAKERS = [
  ['suffixes', 'Suffixes'],
  ['names', 'Names'],
  ['resolvers', 'Resolvers'],
  ['networks', 'Networks'],
  ['edges', 'Edges'],
];

/** Who makes the difference, and how much of it. */
export function makers(finding) {
  const lists = MAKERS.map(([key, title]) => [title, finding[key] ?? []]).filter(([, parts]) => parts.length > 0);
  if (lists.length === 0) return el('p', { class: 'quiet' }, 'Nobody in particular makes the difference.');
  return el(
    'div',
    { class: 'lists' },
    lists.map(([title, parts]) =>
      bars(
        title,
        parts.slice(0, 8).map((part) => [part.name, `${whole(part.count)} · ${share(part.share)}`, part.share]),
      ),
    ),
  );
}

/** The first of those who make the difference, in a line. */
export function firstMaker(finding) {
  for (const [key] of MAKERS) {
    const part = finding[key]?.[0];
    if (part) return [name(part.name, 48), ` ${share(part.share)}`];
  }
  return [];
}

/** Observed against expected, in words and as a picture of the band with a mark. */
export function compared(finding) {
  const { signal, observed, expected } = finding;
  const words = el(
    'p',
    { class: 'compared' },
    `${signalName(signal)} `,
    el('b', {}, valued(signal, observed)),
    expected
      ? `, expected ${valued(signal, expected.value)} (usual: ${valued(signal, expected.low)} to ${valued(signal, expected.high)})`
      : ', more than any zone may have in its first day',
  );
  if (!expected) return words;
  const highest = Math.max(observed, expected.high, expected.value) * 1.05 || 1;
  const x = (value) => ((200 * Math.max(0, value)) / highest).toFixed(1);
  return el(
    'div',
    {},
    words,
    svg(
      'svg',
      { class: 'band', viewBox: '0 0 200 14', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      svg('rect', { class: 'trough', y: 5, width: 200, height: 4 }),
      svg('rect', {
        class: 'usual',
        x: x(expected.low),
        y: 2,
        width: Math.max(1, x(expected.high) - x(expected.low)),
        height: 10,
      }),
      svg('rect', { class: 'seen', x: Math.max(0, x(observed) - 1.2), width: 2.4, height: 14 }),
    ),
  );
}

/** Of a zone that nobody knows well yet. */
export const FIRST_DAY = 'In a zone’s first day only fixed limits speak: a flood of random names, reflection, SERVFAIL.';

/** What stands in the place of findings that were refused. */
export function noFindings(node, refused) {
  if (refused.status !== 404) return placeholder(node, 'The findings could not be had.', refused.message);
  placeholder(
    node,
    'No findings here.',
    'Windows are off in this worker: set detect.enabled, and it also says what is wrong with the zones.',
  );
}

/** Since when, until when, how long. */
export function times(finding, now) {
  const start = millis(finding.start);
  const last = finding.open ? now : (millis(finding.last) ?? now);
  const lasted = start === null ? null : Math.max(0, (last - start) / 1000);
  return finding.open
    ? `since ${moment(start, now)} UTC, for ${span(lasted)}`
    : `${moment(start, now)} to ${moment(last, now)} UTC, ${span(lasted)}`;
}

/** What of a finding is drawn once: of its age only times speak. */
const drawnOnce = (key, value) => (key === 'age_seconds' ? undefined : value);

/** A finding with its whole explanation; kept fresh by `update`. */
export const card = {
  make: () =>
    el(
      'article',
      { class: 'finding' },
      el('header', {}, el('span'), el('h3'), el('span', { class: 'when' })),
      el('p', { class: 'summary' }),
      el('div', { class: 'evidence' }),
    ),
  update(node, finding, up, now) {
    const said = JSON.stringify(finding, drawnOnce);
    const [head, summary, evidence] = node.children;
    say(head.children[2], times(finding, now));
    // The rest stays what it is while the finding does.
    if (node.said === said) return;
    node.said = said;
    node.id = `f-${finding.id}`;
    node.className = `finding ${state(finding)}`;
    node.classList.toggle('chosen', finding.id === chosenFinding());
    fill(head.children[0], badge(state(finding)));
    // Somebody may have focused the link.
    const named = JSON.stringify([finding.kind, finding.zone, finding.zone_id]);
    if (head.named !== named) {
      head.named = named;
      fill(head.children[1], kindName(finding.kind), ' ', el('span', { class: 'of' }, 'of '), zoneLink(up, finding));
    }
    say(summary, finding.summary ?? '');
    const notes = [
      finding.score === null || finding.score === undefined ? null : `score ${Number(finding.score).toFixed(2)}`,
      finding.superseded_by ? `explained by ${kindName(finding.superseded_by)}` : null,
      finding.open || finding.muted || !finding.severity ? null : `was ${finding.severity}`,
      finding.muted ? 'muted by the configuration' : null,
    ].filter(Boolean);
    fill(evidence, compared(finding), makers(finding), el('p', { class: 'quiet small' }, notes.join(' · ')));
  },
};
