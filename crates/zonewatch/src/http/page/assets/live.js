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
/** Of what is said beside a refusal. */
const SAID_MAX = 300;
/** Between two questions while nothing good is answered. */
const ASK_AGAIN_MS = 2_000;
/** A connection that ends is opened again by the browser; only after this long is it worth a word. */
const SILENCE_MAX_MS = 6_000;
/** What to ask oneself where nothing at all is answered. */
const IS_GONE = IS_COPY ? 'Is the copy still there?' : 'Is the worker running, and the way to it open?';
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
    throw new Refused(answer.status, text.trim().slice(0, SAID_MAX));
  }
  return answer.json();
}

/**
 * Keeps documents fresh. `wanted` has a path and the tags that tell of its changes for each document, and `counts` where it has
 * numbers that always move, of which nobody is told: it is asked for now and then too. `show` is called with all documents
 * (`null` where there is none yet) and with what was refused, whenever one of them is another.
 *
 * A refusal is an answer only where it says that there is no such document, and there never was: any other one is silence, and
 * what was known before stays on the page under a word that says so.
 */
export function watch(wanted, show) {
  const names = Object.keys(wanted);
  const documents = Object.fromEntries(names.map((one) => [one, null]));
  const refused = {};
  let tags = null;
  let source = null;
  let polling = null;
  let failing = null;
  let again = null;
  let listenAgain = null;
  let silence = null;
  let asking = false;
  let due = new Set(names);

  async function load() {
    if (asking || document.hidden || due.size === 0) return;
    asking = true;
    const now = [...due];
    due = new Set();
    const answers = await Promise.allSettled(now.map((one) => ask(wanted[one].path)));
    asking = false;
    const silent = [];
    answers.forEach((answer, at) => {
      const one = now[at];
      if (answer.status === 'fulfilled') {
        documents[one] = answer.value;
        delete refused[one];
        return;
      }
      const isRefused = answer.reason instanceof Refused;
      if (isRefused) refused[one] = answer.reason;
      if (isRefused && answer.reason.status === 404 && documents[one] === null) return;
      due.add(one);
      silent.push(isRefused ? answer.reason.message : '');
    });
    failing = silent.length > 0 ? { since: failing?.since ?? Date.now(), said: silent.find(Boolean) ?? '' } : null;
    tell();
    show(documents, refused);
    // One question waits, however many there were: else each change and each turn of a poll would begin a row of them.
    clearTimeout(again);
    if (failing !== null) again = setTimeout(load, ASK_AGAIN_MS);
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

  function askForAll() {
    due = new Set(names);
    load();
  }

  function poll() {
    if (!IS_COPY) {
      clearTimeout(listenAgain);
      listenAgain = setTimeout(() => {
        if (polling !== null) listen();
      }, LISTEN_AGAIN_MS);
    }
    if (polling !== null) return;
    polling = setInterval(askForAll, POLL_MS);
    tell();
  }

  function hush() {
    clearTimeout(silence);
    silence = null;
  }

  function listen() {
    if (IS_COPY || typeof EventSource === 'undefined') return poll();
    source?.close();
    hush();
    source = new EventSource(new URL('api/v1/events', ROOT));
    source.addEventListener('open', () => {
      hush();
      clearInterval(polling);
      polling = null;
      tell();
    });
    source.addEventListener('changed', changed);
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED) {
        hush();
        return poll();
      }
      // The browser tries again each few seconds, and every time fails: the first failure is what silence is counted from.
      silence ??= setTimeout(() => {
        silence = null;
        askForAll();
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
      hush();
      clearInterval(polling);
      polling = null;
    } else {
      tags = null;
      listen();
      askForAll();
    }
  });
  const counting = names.filter((one) => wanted[one].counts);
  if (!IS_COPY && counting.length > 0) {
    setInterval(() => {
      for (const one of counting) due.add(one);
      load();
    }, POLL_MS);
  }
  listen();
  load();
}

/** How fresh the page is, in a word at its head and, if it is not, a sentence below. */
function freshness(kind, word, failing) {
  document.body.dataset.freshness = kind;
  say(byId('state'), word);
  const line = byId('silence');
  line.hidden = kind !== 'gone';
  if (kind === 'gone') {
    say(
      line,
      `No answer since ${clock(failing.since, true)} UTC, so what you see is from then. The page goes on asking. ` +
        (failing.said ? `It is told: ${failing.said}` : IS_GONE),
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
  const made = el(
    'div',
    { class: 'empty' },
    el('p', { class: 'empty-title' }, title),
    ...sentences.filter(Boolean).map((sentence) => el('p', {}, sentence)),
  );
  // The same stays: somebody may have focused a link in it.
  if (node.childElementCount !== 1 || !node.firstElementChild.isEqualNode(made)) fill(node, made);
}
