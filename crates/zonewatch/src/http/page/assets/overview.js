// The overview: how the fleet is, what is wrong, and a zone a row.

import { byId, el, fill, keyed, say } from './dom.js';
import { kindName, plural, rate, SEVERITIES, share, signalName, span, whole } from './format.js';
import { asOf, placeholder, scopeNote, watch } from './live.js';
import {
  badge,
  FIRST_DAY,
  firstMaker,
  lookAtShards,
  meter,
  noFindings,
  ofWorkers,
  sparkline,
  state,
  tiles,
  times,
  zoneLink,
} from './parts.js';

/** Rows that are drawn; the search finds the others. */
const ROWS = 200;
const FINDINGS = 6;

const worse = (severity) => {
  const at = SEVERITIES.indexOf(severity);
  return at < 0 ? SEVERITIES.length : at;
};
const nothing = (value) => value ?? -1;
const text = (one, other) => (one.zone || one.zone_id || '').localeCompare(other.zone || other.zone_id || '', 'en');
/** Of each column the order in which what people look for comes first. */
const ORDERS = {
  severity: (one, other) =>
    worse(one.severity) - worse(other.severity) ||
    nothing(other.score) - nothing(one.score) ||
    nothing(other.queries_per_second) - nothing(one.queries_per_second),
  zone: text,
  rate: (one, other) => nothing(other.queries_per_second) - nothing(one.queries_per_second),
  nxdomain: (one, other) => nothing(other.nxdomain_share) - nothing(one.nxdomain_share),
  failures: (one, other) => nothing(other.failure_share) - nothing(one.failure_share),
  score: (one, other) => nothing(other.score) - nothing(one.score),
};

// What was chosen stands in the address, so that it can be sent to somebody.
const chosen = new URLSearchParams(location.search);
let sort = ORDERS[chosen.get('sort')] ? chosen.get('sort') : 'severity';
let turned = chosen.get('turned') === '1';
byId('search').value = chosen.get('q') ?? '';
byId('only').checked = chosen.get('only') === '1';
let known = { zones: null, findings: null, fleet: null };
let refusals = {};

function remember() {
  const next = new URLSearchParams();
  if (byId('search').value) next.set('q', byId('search').value);
  if (byId('only').checked) next.set('only', '1');
  if (sort !== 'severity') next.set('sort', sort);
  if (turned) next.set('turned', '1');
  history.replaceState(null, '', next.size > 0 ? `?${next}` : location.pathname);
  drawZones();
}

/** A share over all zones, each by its rate. */
function weighed(zones, key) {
  const total = zones.reduce((sum, zone) => sum + (zone.queries_per_second ?? 0), 0);
  const part = zones.reduce((sum, zone) => sum + (zone[key] ?? 0) * (zone.queries_per_second ?? 0), 0);
  return total > 0 ? part / total : null;
}

function ofZones() {
  const zones = known.zones?.zones ?? [];
  const is = (text) => (known.zones ? text : '…');
  const total = zones.reduce((sum, zone) => sum + (zone.queries_per_second ?? 0), 0);
  return [
    ['queries a second', is(rate(total)), plural(Math.max(zones.length, known.zones?.zones_total ?? 0), 'zone')],
    ['NXDOMAIN', is(share(weighed(zones, 'nxdomain_share'))), 'of all queries'],
    ['failures', is(share(weighed(zones, 'failure_share'))), 'SERVFAIL, REFUSED and others'],
  ];
}

function ofFindings() {
  if (refusals.findings && !known.findings) {
    return ['open findings', '–', refusals.findings.status === 404 ? 'windows are off' : 'could not be had'];
  }
  const open = (known.findings?.findings ?? []).filter((finding) => finding.open && !finding.muted);
  const counts = SEVERITIES.map((severity) => [open.filter((finding) => finding.severity === severity).length, severity]);
  const words = counts
    .filter(([count]) => count > 0)
    .map((pair) => pair.join(' '))
    .join(', ');
  const worst = counts.find(([count]) => count > 0)?.[1] ?? '';
  return ['open findings', known.findings ? whole(open.length) : '…', words || 'nothing is wrong', worst];
}

function ofFleet() {
  const { workers = [], shards = [] } = known.fleet ?? {};
  const { open, free, furthest, ofKnown } = lookAtShards(shards);
  const all = plural(open.length, 'shard');
  const words = [ofKnown, free > 0 ? `${free} of ${all} without a worker` : ''].filter(Boolean).join('; ');
  return [
    known.fleet ? ofWorkers(workers) : ['workers', '…', ''],
    ['furthest shard behind', furthest, words || all, free > 0 ? 'warning' : ''],
  ];
}

function drawFindings() {
  const box = byId('findings');
  if (!known.findings) {
    if (refusals.findings) noFindings(box, refusals.findings);
    return;
  }
  const open = known.findings.findings.filter((finding) => finding.open && !finding.muted);
  say(byId('findings-count'), open.length > 0 ? `${open.length} open` : '');
  if (open.length === 0) {
    const over = known.findings.findings.length;
    return placeholder(
      box,
      'Nothing is wrong.',
      over > 0
        ? `${whole(over)} that are over or muted are on the page of findings.`
        : FIRST_DAY,
    );
  }
  if (box.tagName !== 'OL' && !box.querySelector('ol'))
    fill(box, el('ol', { class: 'open-findings' }), el('p', { class: 'more' }));
  const [list, more] = box.children;
  keyed(
    list,
    open.slice(0, FINDINGS),
    (finding) => finding.id,
    () =>
      el(
        'li',
        {},
        el('span'),
        el('div', {}, el('p', { class: 'head' }), el('p', { class: 'summary' }), el('p', { class: 'quiet small' })),
      ),
    (node, finding) => {
      const [mark, body] = node.children;
      node.className = state(finding);
      fill(mark, badge(state(finding)));
      if (node.said !== `${finding.id}${finding.kind}`) {
        fill(
          body.children[0],
          el('a', { href: `findings/#f-${finding.id}` }, kindName(finding.kind)),
          ' of ',
          zoneLink('', finding),
        );
        node.said = `${finding.id}${finding.kind}`;
      }
      say(body.children[1], finding.summary ?? '');
      fill(body.children[2], times(finding, known.findings.time_ms), ' · ', ...firstMaker(finding));
    },
  );
  say(more, open.length > FINDINGS ? `and ${open.length - FINDINGS} more on the page of findings` : '');
}

const row = () =>
  el(
    'tr',
    {},
    el('th', { scope: 'row', 'data-label': 'zone' }),
    ...['severity', 'score', 'queries a second', 'last hour', 'NXDOMAIN', 'failures', 'findings'].map((label) =>
      el('td', { 'data-label': label, class: ['severity', 'last hour', 'score'].includes(label) ? null : 'number' }),
    ),
  );

function drawRow(node, zone) {
  const [of, severity, score, queries, curve, nxdomain, failures, findings] = node.children;
  if (node.of !== zone.zone + zone.zone_id) {
    fill(of, zoneLink('', zone));
    node.of = zone.zone + zone.zone_id;
  }
  fill(severity, zone.severity ? badge(zone.severity) : el('span', { class: 'quiet' }, 'none'));
  fill(
    score,
    meter(zone.score),
    zone.signal && zone.score >= 1 ? el('span', { class: 'signal' }, signalName(zone.signal)) : null,
  );
  say(queries, rate(zone.queries_per_second));
  const minutes = JSON.stringify(zone.minutes ?? []);
  if (curve.said !== minutes) {
    curve.said = minutes;
    fill(curve, sparkline(zone.minutes ?? []));
  }
  say(nxdomain, share(zone.nxdomain_share));
  say(failures, share(zone.failure_share));
  say(findings, zone.findings ? whole(zone.findings) : '–');
  node.classList.toggle('old', zone.age_seconds > 60);
  node.title = zone.age_seconds > 60 ? `what is known of it is ${span(zone.age_seconds)} old` : '';
}

function waitingForWindows() {
  const own = known.fleet?.workers?.find((worker) => worker.this);
  const read = own?.queries_total ?? 0;
  if (known.zones.scope === 'worker') {
    return read > 0
      ? ['No query lately.', `${whole(read)} queries were read so far, and none in the last minute.`]
      : [
          'No query yet.',
          'Is query logging on, and does the log group have a subscription filter to this stream? zonewatch doctor says what is missing.',
        ];
  }
  if (known.zones.windows_until && read === 0)
    return ['No zone was asked in the last day.', 'zonewatch doctor says whether query logs still reach the stream.'];
  return [
    'The first windows are still open.',
    `A minute is shown once every query of it can have arrived: some minutes after reading began, in the demo some seconds. ` +
      (read > 0 ? `${whole(read)} queries were read so far.` : 'No query was read so far.'),
  ];
}

function drawZones() {
  for (const header of document.querySelectorAll('#zones thead th')) {
    const key = header.dataset.sort;
    if (!key) continue;
    const ascends = (key === 'zone') !== turned;
    if (key === sort) header.setAttribute('aria-sort', ascends ? 'ascending' : 'descending');
    else header.removeAttribute('aria-sort');
  }
  byId('sort').value = sort;
  if (!known.zones) {
    if (refusals.zones) placeholder(byId('zones-empty'), 'The zones could not be had.', refusals.zones.message);
    return;
  }
  const wanted = byId('search').value.trim().toLowerCase();
  const only = byId('only').checked;
  const all = known.zones.zones;
  const matching = all.filter(
    (zone) => (!only || zone.findings > 0) && `${zone.zone} ${zone.zone_id}`.toLowerCase().includes(wanted),
  );
  matching.sort((one, other) => (turned ? -1 : 1) * ORDERS[sort](one, other) || text(one, other));
  keyed(byId('zones').tBodies[0], matching.slice(0, ROWS), (zone) => zone.zone_id || zone.zone || '(others)', row, drawRow);
  byId('zones').hidden = matching.length === 0;
  const total = Math.max(all.length, known.zones.zones_total ?? 0);
  const more =
    total > all.length
      ? `, the busiest ${whole(all.length)} are known here`
      : matching.length > ROWS
        ? `, the first ${ROWS} are shown`
        : '';
  say(
    byId('zones-count'),
    all.length === 0
      ? ''
      : matching.length === all.length
        ? `${whole(total)}${more}`
        : `${whole(matching.length)} of ${whole(total)}${more}`,
  );
  const empty = byId('zones-empty');
  if (matching.length > 0) fill(empty);
  else if (all.length > 0) placeholder(empty, 'No zone matches.', 'Search for less, or show zones without findings too.');
  else placeholder(empty, ...waitingForWindows());
}

for (const button of document.querySelectorAll('#zones thead button')) {
  button.addEventListener('click', () => {
    const key = button.closest('th').dataset.sort;
    turned = key === sort ? !turned : false;
    sort = key;
    remember();
  });
}
byId('sort').addEventListener('change', (event) => {
  sort = event.target.value;
  turned = false;
  remember();
});
byId('search').addEventListener('input', remember);
byId('only').addEventListener('change', remember);

watch(
  {
    zones: { path: 'zones', tags: ['zones', 'findings'] },
    findings: { path: 'findings', tags: ['findings'] },
    fleet: { path: 'fleet', tags: ['fleet'], counts: true },
  },
  (documents, refused) => {
    known = documents;
    refusals = refused;
    asOf(documents.zones, scopeNote(documents.zones, !documents.findings && refused.findings?.status === 404));
    tiles(byId('tiles'), [...ofZones(), ofFindings(), ...ofFleet()]);
    drawFindings();
    drawZones();
    if (documents.fleet)
      say(
        byId('app'),
        [documents.fleet.app, documents.fleet.stream && `stream ${documents.fleet.stream}`].filter(Boolean).join(' · '),
      );
  },
);
