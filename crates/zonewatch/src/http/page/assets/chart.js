// Charts of a zone's last hour, by uPlot (a classic script that stands before this one in the page). What a chart shows is also a
// table: pictures are not for everybody.

import { el, fill, say, svg } from './dom.js';
import { clock, CODES, share, valued, whole } from './format.js';

const { uPlot } = window;
const SYNCED = { key: 'zone', setSeries: false };
const utc = (seconds) => new Date(seconds * 1000);

const probe = document.body.appendChild(el('span', { hidden: true }));

/** A colour of the style sheet, as it is in this theme: only an element's own colour says which half of `light-dark` counts. */
function colour(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

function axes(format) {
  const common = {
    stroke: () => colour('--quiet'),
    font: '12px system-ui, sans-serif',
    grid: { stroke: () => colour('--grid'), width: 1 },
    ticks: { show: false },
  };
  return [
    { ...common, grid: { show: false }, values: (_, splits) => splits.map((at) => clock(at * 1000)), space: 64, size: 26 },
    { ...common, values: (_, splits) => splits.map(format), size: 62, space: 32 },
  ];
}

/** Short forms for an axis. */
function brief(signal) {
  return (value) => {
    if (value === null) return '';
    const text = valued(signal, value);
    return text.replace('.0 %', ' %').replace(' bits', '');
  };
}

/** A figure with a picture, a line that says what is under the pointer, and the same as a table. */
class Chart {
  constructor(title, height) {
    this.height = height;
    this.title = el('h3', {}, title);
    this.note = el('p', { class: 'readout', 'aria-live': 'off' });
    this.place = el('div', { class: 'plot', role: 'img' });
    this.table = el('table');
    this.details = el(
      'details',
      { toggle: () => this.fillTable() },
      el('summary', {}, 'As a table'),
      el('div', { class: 'wide', tabindex: 0, role: 'region', 'aria-label': `${title}, as a table` }, this.table),
    );
    this.figure = el('figure', { class: 'chart' }, el('figcaption', {}, this.title, this.note), this.place, this.details);
    this.plot = null;
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(this.place);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.again());
  }

  size() {
    return { width: Math.max(200, this.place.clientWidth), height: this.height };
  }

  /** What is under the pointer, else the last value. */
  readout() {
    const at = this.plot?.cursor.idx ?? this.last;
    say(this.note, at === null || at === undefined || at < 0 ? '' : this.told(at));
  }

  draw(data, options) {
    this.options = options;
    if (this.plot) {
      this.plot.setData(data);
    } else {
      this.plot = new uPlot(
        {
          ...this.size(),
          tzDate: utc,
          legend: { show: false },
          padding: [8, 8, 0, 0],
          cursor: { sync: SYNCED, drag: { setScale: false, x: false, y: false }, points: { show: false }, y: false },
          hooks: { setCursor: [() => this.readout()] },
          ...options(),
        },
        data,
        this.place,
      );
    }
    this.readout();
    if (this.details.open) this.fillTable();
  }

  /** In the other theme's colours. */
  again() {
    if (!this.plot) return;
    const { data } = this.plot;
    this.plot.destroy();
    this.plot = null;
    this.draw(data, this.options);
  }

  fillTable() {
    if (!this.details.open) return;
    const { head, rows } = this.rows();
    fill(
      this.table,
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          head.map((text) => el('th', { scope: 'col' }, text)),
        ),
      ),
      el(
        'tbody',
        {},
        rows.map(([first, ...rest]) =>
          el(
            'tr',
            {},
            el('th', { scope: 'row' }, first),
            rest.map((text) => el('td', { class: 'number' }, text)),
          ),
        ),
      ),
    );
  }
}

/** A signal beside what was expected of it, and the band in which it usually lies. */
export class SignalChart extends Chart {
  constructor(signal, title, height) {
    super(title, height);
    this.signal = signal;
  }

  update(starts, series) {
    this.starts = starts;
    this.series = series;
    this.last = series.observed.findLastIndex((value) => value !== null);
    const none = starts.map(() => null);
    const alerts = series.observed.map((value, at) => ((series.score?.[at] ?? 0) >= 1 ? value : null));
    const data = [
      starts.map((ms) => ms / 1000),
      series.low ?? none,
      series.high ?? none,
      series.expected ?? none,
      series.observed,
      alerts,
    ];
    this.draw(data, () => this.look());
    const alerting = alerts.filter((value) => value !== null).length;
    this.place.setAttribute(
      'aria-label',
      `${this.title.textContent} of the last hour: ${this.told(this.last)}` +
        `${alerting > 0 ? `; ${alerting} minutes with an alert` : ''}. The table below has every minute.`,
    );
  }

  look() {
    const accent = colour('--accent');
    const quiet = colour('--quiet');
    return {
      scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.08] } },
      axes: axes(brief(this.signal)),
      series: [
        {},
        { width: 0, points: { show: false } },
        { width: 0, points: { show: false } },
        { stroke: quiet, width: 1, dash: [4, 4], points: { show: false } },
        { stroke: accent, width: 1.75, points: { show: false } },
        {
          paths: () => null,
          stroke: colour('--critical'),
          points: { show: true, size: 8, width: 2, stroke: colour('--critical'), fill: colour('--panel') },
        },
      ],
      bands: [{ series: [2, 1], fill: colour('--usual') }],
    };
  }

  told(at) {
    const { observed, expected, low, high, score } = this.series;
    if (at < 0 || observed[at] === null || observed[at] === undefined)
      return at < 0 ? 'nothing was seen' : `${clock(this.starts[at])} not known`;
    const parts = [`${clock(this.starts[at])} · ${valued(this.signal, observed[at])}`];
    if (expected?.[at] !== null && expected?.[at] !== undefined)
      parts.push(`expected ${valued(this.signal, expected[at])}`);
    if (low?.[at] !== null && low?.[at] !== undefined)
      parts.push(`usual ${valued(this.signal, low[at])} to ${valued(this.signal, high[at])}`);
    if (score?.[at] >= 1) parts.push(`▲ score ${score[at].toFixed(2)}`);
    return parts.join(' · ');
  }

  rows() {
    const { observed, expected, low, high, score } = this.series;
    const value = (list, at) => valued(this.signal, list?.[at] ?? null);
    return {
      head: ['minute', 'observed', 'expected', 'usual from', 'usual to', 'score'],
      rows: this.starts
        .map((ms, at) => [
          clock(ms),
          value(observed, at),
          value(expected, at),
          value(low, at),
          value(high, at),
          score?.[at]?.toFixed(2) ?? '–',
        ])
        .reverse(),
    };
  }
}

/** Queries by response code, stacked. */
export class CodesChart extends Chart {
  constructor(title, height) {
    super(title, height);
    this.legend = el('ul', { class: 'legend' });
    this.figure.insertBefore(this.legend, this.place);
  }

  update(starts, byCode) {
    const codes = [...CODES.filter((code) => byCode[code]), ...Object.keys(byCode).filter((code) => !CODES.includes(code))];
    const changed = codes.join() !== this.codes?.join();
    this.starts = starts;
    this.byCode = byCode;
    this.codes = codes;
    this.last = starts.length - 1;
    if (changed) {
      fill(
        this.legend,
        codes.map((code) =>
          el(
            'li',
            {},
            svg(
              'svg',
              { width: 10, height: 10, 'aria-hidden': 'true' },
              svg('rect', { class: `code-${this.known(code)}`, width: 10, height: 10, rx: 2 }),
            ),
            ` ${code}`,
          ),
        ),
      );
      this.plot?.destroy();
      this.plot = null;
    }
    const sums = starts.map(() => 0);
    const stacked = codes.map((code) => starts.map((_, at) => (sums[at] += byCode[code][at] ?? 0)));
    this.draw([starts.map((ms) => ms / 1000), ...stacked.reverse()], () => this.look());
    this.place.setAttribute(
      'aria-label',
      `Response codes of the last hour: ${this.told(this.last)}. The table below has every minute.`,
    );
  }

  known(code) {
    return (CODES.includes(code) ? code : 'other').toLowerCase();
  }

  look() {
    const areas = [...this.codes].reverse().map((code) => {
      const filled = colour(`--code-${this.known(code)}`);
      return { stroke: filled, fill: filled, width: 1, points: { show: false } };
    });
    return {
      scales: { x: { time: true }, y: { range: (_, low, high) => [0, (high || 1) * 1.08] } },
      axes: axes(brief('queries')),
      series: [{}, ...areas],
    };
  }

  told(at) {
    if (at < 0) return 'nothing was seen';
    const total = this.codes.reduce((sum, code) => sum + (this.byCode[code][at] ?? 0), 0);
    const parts = this.codes
      .filter((code) => this.byCode[code][at] > 0)
      .map((code) => `${code} ${whole(this.byCode[code][at])} (${share(this.byCode[code][at] / total)})`);
    return `${clock(this.starts[at])} · ${parts.join(' · ') || 'no query'}`;
  }

  rows() {
    return {
      head: ['minute', ...this.codes],
      rows: this.starts
        .map((ms, at) => [clock(ms), ...this.codes.map((code) => whole(this.byCode[code][at] ?? 0))])
        .reverse(),
    };
  }
}
