// A zone: what was seen of it beside what was expected, who asks what, and what is wrong.

import { CodesChart, SignalChart } from './chart.js';
import { byId, el, fill, keyed, name, say } from './dom.js';
import { kindName, plural, rate, share, signalName, whole } from './format.js';
import { ask, asOf, IS_COPY, oldNote, placeholder, watch, zonePath } from './live.js';
import { badge, bars, card, meter, state, tiles, zoneLink } from './parts.js';

const zone = new URLSearchParams(location.search).get('zone');
/** Findings of the zone that are shown; the page of findings has the others. */
const CARDS = 10;
const BADGES = 4;
/** Zones to choose from; the overview's search finds the others. */
const CHOICES = 500;
/** Signals whose curves are always open. */
const USUAL = ['nxdomain_share', 'servfail_share', 'names', 'resolvers'];
const charts = new Map();
const shown = new Set();
let drawCalm = () => {};
/** Whether the last answer was a refusal. */
let isRefused = false;
let codes = null;

function figures(window_, scores) {
  const seconds = window_.window_seconds || 60;
  const of = (code) => (window_.queries > 0 ? (window_.response_codes?.[code] ?? 0) / window_.queries : null);
  const failures = window_.queries > 0 ? 1 - of('NOERROR') - of('NXDOMAIN') : null;
  const worst = Object.entries(scores ?? {}).sort((one, other) => other[1] - one[1])[0];
  return [
    ['queries a second', rate(window_.queries / seconds), 'in the last whole minute'],
    ['NXDOMAIN', share(of('NXDOMAIN')), 'of all queries'],
    ['failures', share(failures === null ? null : Math.max(0, failures)), 'SERVFAIL, REFUSED and others'],
    ['different names', whole(window_.distinct_names), `${whole(window_.distinct_nxdomain_names)} of them do not exist`],
    ['resolvers', whole(window_.distinct_resolvers), 'different addresses'],
    [
      'highest score',
      worst ? worst[1].toFixed(2) : '–',
      worst ? signalName(worst[0]) : 'nothing is known yet',
      worst?.[1] >= 1 ? 'critical' : '',
    ],
  ];
}

/** Queries and codes are large; of the other signals the usual ones and the unusual are open, and calm ones a click away. */
function drawCharts({ history, scores }) {
  const { start_ms: starts, signals, response_codes: byCode = {} } = history ?? { start_ms: [], signals: {} };
  const seen = Object.keys(signals).filter((signal) => signals[signal].observed.some((value) => value !== null));
  const present = starts.length < 2 ? [] : seen;
  const hasCodes = present.length > 0 && Object.keys(byCode).length > 0;
  // A curve that nothing renews any more would pass for what is now.
  for (const [signal, chart] of charts) chart.figure.hidden = !present.includes(signal);
  if (codes) codes.figure.hidden = !hasCodes;
  if (present.length === 0) {
    say(byId('charts-note'), '');
    byId('calm').hidden = true;
    drawCalm = () => {};
    return placeholder(
      byId('charts-empty'),
      'The curves begin with the second minute.',
      'They fill up to an hour; what is expected is known once a zone has been watched for a while.',
    );
  }
  fill(byId('charts-empty'));
  const isKnown = present.some((signal) => signals[signal].expected?.some((value) => value !== null));
  say(
    byId('charts-note'),
    isKnown
      ? 'observed, expected (dashed) and the band in which it usually lies; ○ is an alert'
      : 'observed; what is expected is known once the zone has been watched for a day',
  );
  const make = (signal, place, height) => {
    if (!charts.has(signal)) {
      charts.set(signal, new SignalChart(signal, signalName(signal), height));
    }
    const chart = charts.get(signal);
    if (chart.figure.parentNode !== place) place.append(chart.figure);
    chart.update(starts, signals[signal]);
  };
  if (present.includes('queries')) make('queries', byId('large'), 220);
  if (hasCodes) {
    if (!codes) {
      codes = new CodesChart('Response codes', 220);
      byId('large').append(codes.figure);
    }
    codes.update(starts, byCode);
  }
  // Whoever is unusual once is shown from then on: curves that change places under the eye can't be read.
  for (const signal of present) {
    if (USUAL.includes(signal) || (scores?.[signal] ?? 0) >= 1 || signals[signal].score?.some((score) => score >= 1))
      shown.add(signal);
  }
  const others = present.filter((signal) => signal !== 'queries');
  for (const signal of others.filter((one) => shown.has(one))) make(signal, byId('small'), 120);
  const calm = others.filter((signal) => !shown.has(signal));
  byId('calm').hidden = calm.length === 0;
  say(byId('calm-title'), `${plural(calm.length, 'more signal')}, nothing unusual in the last hour`);
  drawCalm = () => {
    if (byId('calm').open) for (const signal of calm) make(signal, byId('calm-charts'), 120);
  };
  drawCalm();
}

const LISTS = [
  ['top_names', 'Names asked most', 'name'],
  ['suffixes', 'Suffixes with the most names', 'suffix'],
  ['top_resolvers', 'Resolvers', 'name'],
  ['top_networks', 'Networks', 'name'],
  ['top_edges', 'Edge locations', 'name'],
];

function drawLists(window_) {
  keyed(
    byId('lists'),
    LISTS,
    ([key]) => key,
    () => el('div'),
    (node, [key, title, field]) => {
      const parts = (window_[key] ?? []).slice(0, 12);
      const amount = (part) => part.queries ?? part.count ?? part.distinct_names ?? 0;
      const highest = Math.max(1, ...parts.map(amount));
      const said = JSON.stringify(parts);
      if (node.said === said) return;
      node.said = said;
      const text = (part) =>
        part.distinct_names === undefined
          ? `${whole(amount(part))} · ${share(amount(part) / Math.max(1, window_.queries))}`
          : `${whole(amount(part))} names`;
      fill(
        node,
        bars(
          title,
          parts.map((part) => [part[field] ?? '', text(part), amount(part) / highest]),
          'None in the last minute.',
        ),
      );
    },
  );
}

/** Those that go on first, then the youngest. */
const inOrder = (findings) =>
  [...findings].sort(
    (one, other) => Number(other.open) - Number(one.open) || String(other.start).localeCompare(String(one.start)),
  );

/** What goes on, at the head of the page; each leads to its card, which is one of the first. */
function drawBadges(findings) {
  keyed(
    byId('badges'),
    findings.filter((finding) => finding.open).slice(0, BADGES),
    (finding) => finding.id,
    () => el('a', { class: 'bare' }, el('span'), ' ', el('span')),
    (link, finding) => {
      const [mark, words] = link.children;
      link.href = `#f-${finding.id}`;
      say(words, kindName(finding.kind));
      if (link.said === state(finding)) return;
      link.said = state(finding);
      fill(mark, badge(state(finding)));
    },
  );
}

function drawFindings(findings, now) {
  const list = byId('findings');
  say(
    byId('findings-count'),
    findings.length > 0 ? `${findings.filter((finding) => finding.open).length} open, ${findings.length} in all` : '',
  );
  if (findings.length === 0) return placeholder(list, 'Nothing was wrong with this zone so far.');
  if (!list.querySelector(':scope > article')) fill(list);
  keyed(
    list,
    findings.slice(0, CARDS),
    (finding) => finding.id,
    card.make,
    (node, finding) => card.update(node, finding, '../', now),
  );
}

function title(text, id) {
  document.title = `${text} · Zonewatch`;
  fill(byId('title'), name(text, 80));
  say(byId('zone-id'), id && id !== text ? id : '');
}

function draw(documents, refused) {
  const document_ = documents.zone;
  // What could not be had again stays; a zone that is known no longer has nothing to show.
  isRefused = Boolean(refused.zone) && (!document_ || refused.zone.status === 404);
  if (isRefused) return refusal(refused.zone);
  if (!document_) return;
  const { window: window_ } = document_;
  for (const part of ['content', 'charts', 'findings-section']) byId(part).hidden = false;
  fill(byId('missing'));
  title(window_.zone || window_.zone_id || zone, window_.zone_id);
  asOf(document_, oldNote(document_.age_seconds));
  const findings = inOrder(document_.findings ?? []);
  drawBadges(findings);
  tiles(byId('tiles'), figures(window_, document_.scores));
  drawCharts(document_);
  drawLists(window_);
  drawFindings(findings, document_.time_ms);
}

/** There is no such document. Perhaps the list of zones knows it: by its name in a copy, or without windows. */
async function refusal(problem) {
  let listed = null;
  try {
    listed = await ask('zones');
  } catch {
    /* The sentence below says enough. */
  }
  // Meanwhile the zone may have been answered.
  if (!isRefused) return;
  const found = listed?.zones.find((one) => one.zone === zone || one.zone_id === zone);
  if (found && IS_COPY && found.zone_id && found.zone_id !== zone) {
    return location.replace(`?zone=${encodeURIComponent(found.zone_id)}`);
  }
  if (found && listed.scope === 'worker') return withoutWindows(listed, found);
  byId('content').hidden = true;
  byId('notice').hidden = true;
  fill(byId('badges'));
  title(zone);
  placeholder(
    byId('missing'),
    problem.status === 404 ? 'Nothing is known of this zone.' : 'The zone could not be had.',
    problem.status === 404
      ? 'Nothing was asked of it in the last day, or its first minute is still open.'
      : problem.message,
    el('a', { href: '../' }, 'All zones that are known'),
  );
}

/** What this worker read of the zone itself. */
function withoutWindows(listed, found) {
  title(found.zone || found.zone_id, found.zone_id);
  asOf(
    listed,
    `No window of this zone is known: the first is still open, or windows are off (detect.enabled). ` +
      'Shown is what this worker reads itself, with nothing to compare it with.',
  );
  fill(byId('missing'));
  fill(byId('badges'));
  byId('content').hidden = false;
  byId('charts').hidden = true;
  byId('findings-section').hidden = true;
  const window_ = {
    ...found,
    distinct_nxdomain_names: null,
    distinct_resolvers: null,
    window_seconds: found.queries / Math.max(1e-9, found.queries_per_second),
  };
  tiles(byId('tiles'), figures(window_, null));
  drawLists(window_);
}

/** Without a zone in the address there is a choice of them. */
function choose(documents, refused) {
  title('Zones');
  const listed = documents.zones;
  if (refused.zones && !listed) return placeholder(byId('missing'), 'The zones could not be had.', refused.zones.message);
  if (!listed) return;
  asOf(listed);
  if (listed.zones.length === 0)
    return placeholder(byId('missing'), 'No zone is known yet.', 'The overview says what is being waited for.');
  const sorted = [...listed.zones].sort((one, other) => String(one.zone).localeCompare(String(other.zone), 'en'));
  const box = byId('missing');
  if (!box.querySelector('.choice')) fill(box, el('ul', { class: 'choice' }));
  keyed(
    box.firstElementChild,
    sorted.slice(0, CHOICES),
    (one) => one.zone_id || one.zone || '(others)',
    (one) => el('li', {}, zoneLink('../', one), ' ', el('span')),
    (item, one) => fill(item.lastElementChild, meter(one.score)),
  );
}

byId('calm').addEventListener('toggle', () => drawCalm());
if (zone) watch({ zone: { path: zonePath(zone), tags: ['zones', 'findings'] } }, draw);
else watch({ zones: { path: 'zones', tags: ['zones'] } }, choose);
