// Asks for documents, hears when they changed, and says on the page how fresh they are.
//
// A worker tells of changes by server-sent events. Where there are none (too many listeners, a proxy, a static copy), the page
// asks again and again. A hidden page asks for nothing.

import { byId, el, fill, say } from './dom.js';
import { clock, span } from './format.js';

/** The folder in which the pages are, whatever it is called where this is served. */
const ROOT = new URL('..', import.meta.url);
/** `zonewatch page` marks its copies: documents are files there, and nobody tells of changes. */
export const IS_COPY = document.documentElement.hasAttribute('data-copy');

const POLL_MS = IS_COPY ? 60_000 : 5_000;
/** While asking again, an attempt to be told instead: too many listeners may have been fewer since. */
const LISTEN_AGAIN_MS = 60_000;
const ANSWER_MAX_MS = 10_000;
/** A connection that ends is opened again by the browser; only after this long is it worth a word. */
const SILENCE_MAX_MS = 6_000;
/** Knowledge of another worker that is older than this is said to be so. */
const OLD_S = 60;

/** An answer that is no document: what a worker says, and how. */
export class Refused extends Error {
  constructor(status, text) {
    super(text || `The answer has the status ${status}.`);
    this.status = status;
  }
}

/** The name under which a static copy keeps a zone's document: `zonewatch page` makes the same of it. */
const filed = (zone) =>
  encodeURIComponent(zone)
    .replace(/[~!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%', '~');

/** The path of a zone's document. */
export const zonePath = (zone) => `zones/${IS_COPY ? filed(zone) : encodeURIComponent(zone)}`;

/** One document of the API. */
export async function ask(path) {
  const address = new URL(`api/v1/${path}${IS_COPY ? '.json' : ''}`, ROOT);
  const answer = await fetch(address, { signal: AbortSignal.timeout(ANSWER_MAX_MS), cache: 'no-cache' });
  if (!answer.ok) {
    const text = (answer.headers.get('content-type') ?? '').startsWith('text/plain') ? await answer.text() : '';
    throw new Refused(answer.status, text.trim());
  }
  return answer.json();
}

/**
 * Keeps documents fresh. `wanted` has a path and the tags that tell of its changes for each document; `show` is called with
 * all of them (`null` where there is none yet) and with what was refused, whenever one of them is another.
 */
export function watch(wanted, show) {
  const names = Object.keys(wanted);
  const documents = Object.fromEntries(names.map((one) => [one, null]));
  const refused = {};
  let tags = null;
  let source = null;
  let polling = null;
  let failing = null;
  let asking = false;
  let due = new Set(names);

  async function load() {
    if (asking || document.hidden || due.size === 0) return;
    asking = true;
    const now = [...due];
    due = new Set();
    const answers = await Promise.allSettled(now.map((one) => ask(wanted[one].path)));
    asking = false;
    answers.forEach((answer, at) => {
      if (answer.status === 'fulfilled') {
        documents[now[at]] = answer.value;
        delete refused[now[at]];
      } else if (answer.reason instanceof Refused) {
        refused[now[at]] = answer.reason;
      } else {
        due.add(now[at]);
      }
    });
    // A refusal is an answer too: only silence is none.
    const silent = answers.some((answer) => answer.status === 'rejected' && !(answer.reason instanceof Refused));
    failing = silent ? (failing ?? Date.now()) : null;
    tell();
    show(documents, refused);
    if (silent) setTimeout(load, 2_000);
    else if (due.size > 0) load();
  }

  function changed(event) {
    let said;
    try {
      said = JSON.parse(event.data);
    } catch {
      return;
    }
    for (const one of names) {
      if (tags === null || wanted[one].tags.some((tag) => said[tag] !== tags[tag])) due.add(one);
    }
    tags = said;
    load();
  }

  function poll() {
    if (polling !== null) return;
    polling = setInterval(() => {
      due = new Set(names);
      load();
    }, POLL_MS);
    if (!IS_COPY)
      setTimeout(() => {
        if (polling !== null) listen();
      }, LISTEN_AGAIN_MS);
    tell();
  }

  function listen() {
    if (IS_COPY || typeof EventSource === 'undefined') return poll();
    source?.close();
    source = new EventSource(new URL('api/v1/events', ROOT));
    let silence = null;
    source.addEventListener('open', () => {
      clearTimeout(silence);
      clearInterval(polling);
      polling = null;
      tell();
    });
    source.addEventListener('changed', changed);
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED) return poll();
      clearTimeout(silence);
      silence = setTimeout(() => {
        due = new Set(names);
        load();
      }, SILENCE_MAX_MS);
    });
  }

  function tell() {
    if (failing !== null) return freshness('gone', 'No answer', failing);
    if (names.every((one) => documents[one] === null && !refused[one])) return freshness('new', 'Connecting');
    if (polling === null) return freshness('live', 'Live');
    freshness('slow', IS_COPY ? 'A copy' : `Every ${POLL_MS / 1000} s`);
  }

  document.addEventListener('visibilitychange', () => {
    if (document.hidden) {
      // Listeners are few: a page that nobody looks at gives its place back.
      source?.close();
      clearInterval(polling);
      polling = null;
    } else {
      due = new Set(names);
      tags = null;
      listen();
      load();
    }
  });
  listen();
  load();
  return {
    changePath: (one, path) => {
      wanted[one].path = path;
      documents[one] = null;
      due.add(one);
      load();
    },
  };
}

/** How fresh the page is, in a word at its head and, if it is not, a sentence below. */
function freshness(kind, word, since) {
  document.body.dataset.freshness = kind;
  say(byId('state'), word);
  const line = byId('silence');
  line.hidden = kind !== 'gone';
  if (kind === 'gone') {
    say(
      line,
      `No answer since ${clock(since, true)} UTC, so what you see is from then. The page goes on asking. ` +
        (IS_COPY ? 'Is the copy still there?' : 'Is the worker running, and the way to it open?'),
    );
  }
}

/** The worker's time at the head of the page, and what is to say of a document's age. */
export function asOf(document_, note) {
  if (!document_) return;
  const at = document_.time_ms;
  const time = byId('clock');
  say(time, `${clock(at, true)} UTC`);
  time.setAttribute('datetime', new Date(at).toISOString());
  const lines = note ? [note] : [];
  const real = Date.now() - at;
  if (IS_COPY && real > 600_000 && real < 3.2e10) {
    lines.push(`This copy was made ${span(real / 1000)} ago. Publish a newer one to see more.`);
  }
  const line = byId('notice');
  line.hidden = lines.length === 0;
  say(line, lines.join(' '));
}

/** A sentence about knowledge that came from another worker and is old; nothing of what is fresh. */
export function oldNote(seconds) {
  if (seconds === null || seconds === undefined || seconds <= OLD_S) return null;
  return `What is known here is ${span(seconds)} old: the worker that has this zone has said nothing since. Look at the fleet.`;
}

/** Of a list that only this worker's own reading made, why: windows are off (then there are no findings), or none has closed yet. */
export function scopeNote(listed, isOff) {
  if (listed?.scope !== 'worker') return null;
  return isOff
    ? 'Windows are off (detect.enabled): shown is only what this worker read itself, without scores and findings.'
    : 'The first window is still open, so this is what this worker reads meanwhile, without scores. A minute closes once every query of it ' +
        'can have arrived: some six minutes after reading began, in the demo some seconds.';
}

/** What stands where a list is empty or could not be had. */
export function placeholder(node, title, ...sentences) {
  fill(
    node,
    el(
      'div',
      { class: 'empty' },
      el('p', { class: 'empty-title' }, title),
      ...sentences.filter(Boolean).map((sentence) => el('p', {}, sentence)),
    ),
  );
}
