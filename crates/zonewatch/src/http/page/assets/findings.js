// Findings in time, and each with its explanation.

import { byId, el, fill, keyed, name, say } from './dom.js';
import { kindName, MARKS, millis, moment, SEVERITIES, whole } from './format.js';
import { asOf, placeholder, watch } from './live.js';
import { card, chosenFinding, FIRST_DAY, noFindings, state, times } from './parts.js';

/** Lanes and cards that are drawn; filters find the others. */
const LANES = 40;
const CARDS = 60;
const MINUTE = 60_000;

const chosen = new URLSearchParams(location.search);
let document_ = null;
let refused = null;

const boxes = [...document.querySelectorAll('#filters input[type=checkbox]')];
byId('zone').value = chosen.get('zone') ?? '';
if (chosen.has('hide')) {
  const hidden = chosen.get('hide').split(',');
  for (const box of boxes) box.checked = !hidden.includes(box.value);
}

function remember() {
  const next = new URLSearchParams();
  if (byId('zone').value) next.set('zone', byId('zone').value);
  if (byId('kind').value) next.set('kind', byId('kind').value);
  const hidden = boxes.filter((box) => !box.checked).map((box) => box.value);
  if (hidden.length > 0) next.set('hide', hidden.join(','));
  history.replaceState(null, '', (next.size > 0 ? `?${next}` : location.pathname) + location.hash);
  draw();
}

function matching() {
  const zone = byId('zone').value.trim().toLowerCase();
  const kind = byId('kind').value;
  const shown = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  return document_.findings.filter(
    (finding) =>
      `${finding.zone} ${finding.zone_id}`.toLowerCase().includes(zone) &&
      (!kind || finding.kind === kind) &&
      shown.has(SEVERITIES.includes(finding.severity) ? finding.severity : 'info') &&
      shown.has(finding.muted ? 'muted' : finding.open ? 'open' : 'over'),
  );
}

/** The choices of kinds are those that there are, and the one that is chosen. */
function drawKinds() {
  const select = byId('kind');
  const value = select.options.length > 1 || !chosen.get('kind') ? select.value : chosen.get('kind');
  const kinds = [...new Set([...document_.findings.map((finding) => finding.kind), value])].filter(Boolean).sort();
  if (
    kinds.join() !==
    [...select.options]
      .slice(1)
      .map((option) => option.value)
      .join()
  ) {
    fill(
      select,
      el('option', { value: '' }, 'every kind'),
      kinds.map((kind) => el('option', { value: kind }, kindName(kind))),
    );
  }
  select.value = value;
}

const begin = (finding) => millis(finding.start) ?? document_.time_ms;
const end = (finding) => (finding.open ? document_.time_ms : Math.max(begin(finding), millis(finding.last) ?? 0));

/** A lane for each kind of finding of a zone, the one with the youngest first; a bar a finding. Of one lane no two overlap. */
function drawTimeline(findings) {
  const timeline = byId('timeline');
  timeline.hidden = findings.length === 0;
  if (findings.length === 0) return;
  const from = Math.min(...findings.map(begin), document_.time_ms - 30 * MINUTE);
  const to = Math.max(document_.time_ms, ...findings.map(end));
  const place = (ms) => (100 * (ms - from)) / (to - from);
  const lanes = new Map();
  for (const finding of [...findings].sort((one, other) => begin(other) - begin(one))) {
    const key = `${finding.kind} ${finding.zone_id || finding.zone}`;
    if (!lanes.has(key)) lanes.set(key, []);
    lanes.get(key).push(finding);
  }
  keyed(
    byId('lanes'),
    [...lanes].slice(0, LANES),
    ([key]) => key,
    () => el('li', { class: 'lane' }, el('span', { class: 'lane-name' }), el('ol', { class: 'track' })),
    (node, [key, of]) => {
      if (node.of !== key) {
        fill(
          node.children[0],
          name(of[0].zone || of[0].zone_id || 'all other zones', 40),
          el('span', { class: 'quiet' }, kindName(of[0].kind)),
        );
        node.of = key;
      }
      keyed(
        node.children[1],
        of,
        (finding) => finding.id,
        () => el('li', {}, el('a', {}, el('span', { 'aria-hidden': 'true' }))),
        (item, finding) => {
          const [link] = item.children;
          link.className = `span ${state(finding)}`;
          link.href = `#f-${finding.id}`;
          link.style.left = `${place(begin(finding)).toFixed(2)}%`;
          link.style.width = `${Math.max(0, place(end(finding)) - place(begin(finding))).toFixed(2)}%`;
          say(link.children[0], MARKS[state(finding)] ?? '●');
          const words = `${state(finding)}: ${kindName(finding.kind)} of ${finding.zone}, ${times(finding, document_.time_ms)}`;
          if (link.title !== words) {
            link.title = words;
            link.setAttribute('aria-label', words);
          }
        },
      );
    },
  );
  const ticks = Array.from({ length: 5 }, (_, at) => from + ((to - from) * at) / 4);
  keyed(
    byId('ticks'),
    ticks,
    (ms) => ticks.indexOf(ms),
    () => el('li'),
    (node, ms) => {
      say(node, moment(ms, document_.time_ms));
    },
  );
  say(byId('lanes-more'), lanes.size > LANES ? `and ${whole(lanes.size - LANES)} lanes more: choose a zone above` : '');
}

function draw() {
  if (!document_) {
    if (refused) {
      byId('timeline').hidden = true;
      noFindings(byId('list'), refused);
    }
    return;
  }
  drawKinds();
  const findings = matching();
  drawTimeline(findings);
  const open = findings.filter((finding) => finding.open && !finding.muted).length;
  say(byId('count'), document_.findings.length === 0 ? '' : `${whole(findings.length)} shown, ${whole(open)} of them open`);
  say(byId('more'), findings.length > CARDS ? `and ${whole(findings.length - CARDS)} more: choose fewer above` : '');
  const list = byId('list');
  // Bars and links lead to a card, also where it is none of the first, or was filtered out.
  const cards = findings.slice(0, CARDS);
  const linked = document_.findings.find((finding) => finding.id === chosenFinding());
  if (linked && !cards.includes(linked)) cards.push(linked);
  if (cards.length === 0) {
    return document_.findings.length > 0
      ? placeholder(list, 'No finding matches.', 'Choose more above.')
      : placeholder(
          list,
          'Nothing was wrong so far.',
          `${FIRST_DAY} After it, everything that is unusual for the zone at this hour.`,
        );
  }
  if (!list.querySelector(':scope > article')) fill(list);
  keyed(
    list,
    cards,
    (finding) => finding.id,
    card.make,
    (node, finding) => card.update(node, finding, '../', document_.time_ms),
  );
  follow();
}

/** A link to a finding may be older than its card. It is shown once: whoever scrolls on is not taken back. */
let followed = null;
function follow() {
  const id = chosenFinding();
  if (id === followed) return;
  followed = null;
  for (const node of byId('list').children) {
    const isChosen = node.dataset.key === id;
    node.classList.toggle('chosen', isChosen);
    if (!isChosen) continue;
    followed = id;
    node.scrollIntoView();
  }
}

addEventListener('hashchange', draw);
byId('filters').addEventListener('input', remember);
byId('filters').addEventListener('submit', (event) => event.preventDefault());
watch({ findings: { path: 'findings', tags: ['findings'] } }, (documents, refusals) => {
  document_ = documents.findings;
  refused = refusals.findings;
  asOf(document_);
  draw();
});
