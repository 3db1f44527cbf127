// Where queries are answered: edge locations on a map, and the same as a table.

import { byId, el, fill, keyed, say, svg } from './dom.js';
import { rate, span, whole } from './format.js';
import { asOf, oldNote, placeholder, watch } from './live.js';
import { HEIGHT, project, WIDTH } from './projection.js';

/** Twice as much as in the hour before, or half: shown as a change. */
const MORE = 2;
const LESS = 0.5;
const RADIUS_MIN = 4;
const RADIUS_MAX = 26;
/** Labels stand beside the busiest. */
const LABELS = 12;

const orders = {
  edge: (one, other) => one.edge.localeCompare(other.edge, 'en'),
  rate: (one, other) => other.queries_per_second - one.queries_per_second,
  change: (one, other) => Math.abs(Math.log(other.change || 1)) - Math.abs(Math.log(one.change || 1)),
};
let sort = 'rate';
let known = null;

function change(edge) {
  if (edge.change === null || edge.change === undefined) return ['unknown', 'not known yet'];
  if (edge.change >= MORE) return ['up', `▲ ${rate(edge.change)} times`];
  if (edge.change <= LESS) return ['down', `▼ ${rate(edge.change)} times`];
  return ['same', `${edge.change.toFixed(2)} times`];
}

const placeOf = (edge) => [edge.place, edge.country].filter(Boolean).join(', ');
const words = (edge) =>
  `${edge.edge}${placeOf(edge) ? `, ${placeOf(edge)}` : ''}: ${rate(edge.queries_per_second)} queries a second, ${change(edge)[1]} the hour before`;

function drawMap(edges) {
  const placed = edges.filter((edge) => typeof edge.latitude === 'number' && typeof edge.longitude === 'number');
  const highest = Math.max(1e-9, ...placed.map((edge) => edge.queries_per_second));
  const radius = (edge) => Math.max(RADIUS_MIN, RADIUS_MAX * Math.sqrt(edge.queries_per_second / highest));
  const largestFirst = [...placed].sort(orders.rate);
  keyed(
    byId('edges-on-map'),
    largestFirst,
    (edge) => edge.edge,
    () =>
      svg(
        'g',
        {},
        svg('title'),
        svg('circle'),
        svg('text', { class: 'mark', 'text-anchor': 'middle' }),
        svg('text', { class: 'label' }),
      ),
    (node, edge) => {
      const [x, y] = project(edge.latitude, edge.longitude);
      const [kind] = change(edge);
      const [title, circle, mark, label] = node.children;
      node.setAttribute('class', `edge ${kind}`);
      node.setAttribute('transform', `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
      circle.setAttribute('r', radius(edge).toFixed(1));
      say(title, words(edge));
      say(mark, { up: '▲', down: '▼' }[kind] ?? '');
      mark.setAttribute('y', 4.5);
      const at = largestFirst.indexOf(edge);
      say(label, at < LABELS || kind === 'up' || kind === 'down' ? edge.edge : '');
      label.setAttribute('x', (radius(edge) + 3).toFixed(1));
      label.setAttribute('y', 4);
    },
  );
  byId('map').setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
  byId('map').setAttribute('aria-label', `A map of ${placed.length} edge locations. The table below says the same.`);
  const nowhere = edges.length - placed.length;
  say(byId('nowhere'), nowhere > 0 ? `${whole(nowhere)} more are only in the table: where they are is not known.` : '');
}

function drawTable(edges) {
  for (const header of document.querySelectorAll('#edges thead th[data-sort]')) {
    if (header.dataset.sort === sort) header.setAttribute('aria-sort', sort === 'edge' ? 'ascending' : 'descending');
    else header.removeAttribute('aria-sort');
  }
  const total = edges.reduce((sum, edge) => sum + edge.queries_per_second, 0) || 1;
  keyed(
    byId('edges').tBodies[0],
    [...edges].sort(orders[sort]),
    (edge) => edge.edge,
    () =>
      el(
        'tr',
        { pointerenter: (event) => light(event.currentTarget.dataset.key), pointerleave: () => light(null) },
        el('th', { scope: 'row', 'data-label': 'edge' }),
        el('td', { 'data-label': 'place' }),
        ...['queries a second', 'share', 'the hour before'].map((label) =>
          el('td', { 'data-label': label, class: 'number' }),
        ),
      ),
    (node, edge) => {
      const [kind, text] = change(edge);
      const cells = [
        edge.edge,
        placeOf(edge) || 'not known',
        rate(edge.queries_per_second),
        `${((100 * edge.queries_per_second) / total).toFixed(1)} %`,
        text,
      ];
      cells.forEach((cell, at) => say(node.children[at], cell));
      node.className = kind;
    },
  );
}

/** The edge of the row under the pointer is lit on the map. */
function light(key) {
  for (const node of byId('edges-on-map').children) node.classList.toggle('lit', node.dataset.key === key);
}

function draw(documents, refused) {
  known = documents.edges;
  byId('content').hidden = !known || known.edges.length === 0;
  if (refused.edges && !known) {
    return refused.edges.status === 404
      ? placeholder(
          byId('empty'),
          'No edge locations here.',
          'Windows are off in this worker: set detect.enabled, and it counts where queries are answered.',
        )
      : placeholder(byId('empty'), 'The edge locations could not be had.', refused.edges.message);
  }
  if (!known) return;
  asOf(known, oldNote(Math.max(0, ...known.edges.map((edge) => edge.age_seconds ?? 0))));
  if (known.edges.length === 0) {
    return placeholder(
      byId('empty'),
      'No edge location has answered yet.',
      known.scope === 'worker'
        ? 'Edges are counted in windows: the first are still open, or windows are off (detect.enabled).'
        : 'Resolver logs name none, and no other query came in the last hour.',
    );
  }
  fill(byId('empty'));
  drawMap(known.edges);
  drawTable(known.edges);
  const changed = known.edges.filter((edge) => ['up', 'down'].includes(change(edge)[0])).length;
  const oldest = Math.max(0, ...known.edges.map((edge) => edge.age_seconds ?? 0));
  say(
    byId('count'),
    `${whole(known.edges.length)} locations, ${whole(changed)} with a change${oldest > 10 ? `, as of ${span(oldest)} ago` : ''}`,
  );
}

for (const button of document.querySelectorAll('#edges thead button')) {
  button.addEventListener('click', () => {
    sort = button.closest('th').dataset.sort;
    if (known) drawTable(known.edges);
  });
}
watch({ edges: { path: 'edges', tags: ['edges'] } }, draw);
