// Numbers, times and words as people read them. Unknown is a dash.

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const NONE = '–';

/** `12,345`. */
export const whole = (number) => (number === null || number === undefined ? NONE : grouped.format(number));

/** `1 shard`, `2 shards`. */
export const plural = (number, word) => `${whole(number)} ${word}${number === 1 ? '' : 's'}`;

/** `0.04`, `0.4`, `12`, `1,234`. */
export function rate(number) {
  if (number === null || number === undefined) return NONE;
  if (number === 0) return '0';
  if (number < 0.0995) return number.toFixed(2);
  return number < 9.95 ? number.toFixed(1) : grouped.format(number);
}

/** `12.3 %`. */
export function share(part) {
  if (part === null || part === undefined) return NONE;
  if (part > 0 && part < 0.0005) return '< 0.1 %';
  return part > 0.9995 && part < 1 ? '> 99.9 %' : `${(part * 100).toFixed(1)} %`;
}

/** `0.5 s`, `42 s`, `3 min`, `2 h 5 min`, `1 d 3 h`. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

/** `1.2 kB`. */
export function bytes(number) {
  if (number === null || number === undefined) return NONE;
  const [unit, of] = number < 1000 ? ['B', 1] : number < 1e6 ? ['kB', 1e3] : ['MB', 1e6];
  return `${rate(number / of)} ${unit}`;
}

const two = (number) => String(number).padStart(2, '0');

/** `14:03`, and with seconds if asked for. UTC, as logs are. */
export function clock(ms, seconds = false) {
  const time = new Date(ms);
  const minute = `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}`;
  return seconds ? `${minute}:${two(time.getUTCSeconds())}` : minute;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `26 Nov 14:03`, without the day where it is the same as that of `now`. */
export function moment(ms, now) {
  const time = new Date(ms);
  const isToday = Math.floor(ms / 86400000) === Math.floor(now / 86400000);
  return isToday ? clock(ms) : `${time.getUTCDate()} ${MONTHS[time.getUTCMonth()]} ${clock(ms)}`;
}

/** Milliseconds of an RFC 3339 time; `null` of none. */
export function millis(text) {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

/** What the signals are called, and the unit of their values. */
export const SIGNALS = {
  queries: ['Queries', 'count'],
  nxdomain_share: ['NXDOMAIN', 'share'],
  servfail_share: ['SERVFAIL', 'share'],
  refused_share: ['REFUSED', 'share'],
  names: ['Different names', 'count'],
  name_share: ['Names a query', 'share'],
  nxdomain_name_share: ['Names that do not exist', 'share'],
  resolvers: ['Resolvers', 'count'],
  top_resolver_share: ['Busiest resolver', 'share'],
  name_bytes: ['Length of names', 'bytes'],
  entropy_bits: ['Entropy of names', 'bits'],
  sub_name_bytes: ['Bytes in names', 'bytes'],
  amplifying_share: ['Large answers (ANY, TXT, DNSKEY)', 'share'],
  walking_share: ['Zone walking (NSEC, DS, DNSKEY)', 'share'],
  tcp_share: ['Over TCP', 'share'],
  top_edge_share: ['Busiest edge', 'share'],
  edge_divergence_bits: ['Shift of edges', 'bits'],
  top_network_share: ['Busiest network', 'share'],
  network_divergence_bits: ['Shift of networks', 'bits'],
  new_network_share: ['New networks', 'share'],
};

/** A signal as people call it; one of a later version by its own name. */
export const signalName = (signal) => SIGNALS[signal]?.[0] ?? signal;

/** A value of a signal, with its unit. */
export function valued(signal, value) {
  const unit = SIGNALS[signal]?.[1];
  if (value === null || value === undefined) return NONE;
  if (unit === 'share') return share(value);
  if (unit === 'bytes') return bytes(value);
  if (unit === 'bits') return `${value.toFixed(2)} bits`;
  return rate(value);
}

/** `random_subdomain` as words. */
export const kindName = (kind) => String(kind).replaceAll('_', ' ');

export const SEVERITIES = ['critical', 'warning', 'info'];
/** Before each severity's word: whoever does not see its colour sees its shape. */
export const MARKS = { critical: '◆', warning: '▲', info: '●', over: '○', muted: '◌' };

/** The colours of response codes, in the order in which they are stacked; the style sheet has them as `--code-…`. */
export const CODES = ['NOERROR', 'NXDOMAIN', 'SERVFAIL', 'REFUSED', 'FORMERR', 'NOTIMP', 'other'];
