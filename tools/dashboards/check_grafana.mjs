// Checks Grafana dashboards: against the types that Grafana publishes (npm @grafana/schema), the dashboard as a whole and
// each panel's options by the panel's own type, and for what types can't say. Prints what is wrong, a line each, and exits
// 1 if anything is.
//
//     ZONEWATCH_TOOLS=.cache/tools node tools/dashboards/check_grafana.mjs FILE…

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { misfits } from '../typed.mjs';

const tools = process.env.ZONEWATCH_TOOLS;
const files = process.argv.slice(2);
if (!tools || files.length === 0) {
  console.error('usage: ZONEWATCH_TOOLS=.cache/tools node tools/dashboards/check_grafana.mjs FILE…');
  process.exit(2);
}

/** Panels that are used here, with the module that has their options' type. */
const PANELS = {
  timeseries: ['timeseries', 'TimeSeries'],
  stat: ['stat', 'Stat'],
  table: ['table', 'Table'],
  heatmap: ['heatmap', 'Heatmap'],
  'state-timeline': ['statetimeline', 'StateTimeline'],
};
// Grafana shows a unit it does not know as text behind the number.
const UNITS = ['none', 'short', 's', 'reqps', 'cps', 'Bps', 'bytes', 'percentunit'];
const COLUMNS = 24;

const panelsOf = (dashboard) => dashboard.panels.filter((panel) => panel.type !== 'row');

/** A dashboard without what its marks say to Prometheus' own plugin, which the types leave to the plugin. */
function withoutPlugin(dashboard) {
  const list = dashboard.annotations.list.map(({ expr, step, titleFormat, textFormat, useValueForTime, ...rest }) => rest);
  return { ...dashboard, annotations: { ...dashboard.annotations, list } };
}

function typed(name, dashboard) {
  const values = [{ name, module: '@grafana/schema', type: 'Dashboard', value: withoutPlugin(dashboard) }];
  for (const panel of panelsOf(dashboard)) {
    const [folder, file] = PANELS[panel.type] ?? [];
    if (!folder) continue;
    const module = `@grafana/schema/dist/esm/raw/composable/${folder}/panelcfg/x/${file}PanelCfg_types.gen`;
    const part = (type, value) => ({ name: `${name}: ${panel.title}`, module, type, expression: `Partial<${type}>`, value });
    values.push(part('Options', panel.options));
    if (panel.fieldConfig.defaults.custom) values.push(part('FieldConfig', panel.fieldConfig.defaults.custom));
  }
  return values;
}

function* structure(name, dashboard) {
  const ids = dashboard.panels.map((panel) => panel.id);
  if (new Set(ids).size !== ids.length) yield `${name}: two panels have one number`;
  const taken = new Map();
  for (const { title, gridPos: { x, y, w, h } } of dashboard.panels) {
    if (x + w > COLUMNS) yield `${name}: ${title} reaches beyond the last column`;
    for (let column = x; column < x + w; column += 1) {
      for (let line = y; line < y + h; line += 1) {
        const cell = `${column} ${line}`;
        if (taken.has(cell) && taken.get(cell) !== title) {
          yield `${name}: ${title} lies over ${taken.get(cell)}`;
          return;
        }
        taken.set(cell, title);
      }
    }
  }
  for (const panel of panelsOf(dashboard)) {
    if (!PANELS[panel.type]) yield `${name}: ${panel.title} is a ${panel.type}, which this check does not know`;
    if (!panel.description) yield `${name}: ${panel.title} does not say what it shows`;
    const letters = panel.targets.map((target) => target.refId);
    if (letters.length === 0 || new Set(letters).size !== letters.length) yield `${name}: queries of ${panel.title}: ${letters}`;
    const units = [panel.fieldConfig.defaults.unit];
    for (const { properties } of panel.fieldConfig.overrides) {
      units.push(...properties.filter(({ id }) => id === 'unit').map(({ value }) => value));
    }
    for (const unit of units) if (!UNITS.includes(unit)) yield `${name}: ${panel.title} has the unit ${unit}`;
  }
  yield* variables(name, dashboard);
}

/** Every variable that a query names is one of the dashboard's, and the source is always the chosen one. */
function* variables(name, dashboard) {
  const known = dashboard.templating.list.map((variable) => variable.name);
  const given = ['__rate_interval', '__range', '__interval'];
  for (const [, used] of JSON.stringify(dashboard.panels).matchAll(/\$\{?(\w+)/g)) {
    if (![...known, ...given].includes(used)) yield `${name}: there is no variable ${used}`;
  }
  for (const variable of known.filter((variable) => variable !== 'datasource')) {
    if (!JSON.stringify(dashboard.panels).includes(`$${variable}`)) yield `${name}: nothing uses the variable ${variable}`;
  }
  const sources = JSON.stringify(dashboard).matchAll(/"uid":"([^"]*)"/g);
  for (const [, uid] of sources) {
    if (!['${datasource}', '-- Grafana --', dashboard.uid].includes(uid)) yield `${name}: the data source ${uid} is one installation's`;
  }
}

const problems = [];
const dashboards = files.map((file) => [basename(file), JSON.parse(readFileSync(file, 'utf8'))]);
for (const [name, dashboard] of dashboards) problems.push(...structure(name, dashboard));
problems.push(...misfits(tools, dashboards.flatMap(([name, dashboard]) => typed(name, dashboard))));
const uids = dashboards.map(([, dashboard]) => dashboard.uid);
if (new Set(uids).size !== uids.length) problems.push('two dashboards have one uid');
for (const problem of problems) console.error(problem);
const panels = dashboards.reduce((sum, [, dashboard]) => sum + panelsOf(dashboard).length, 0);
console.log(`${dashboards.length} dashboards with ${panels} panels checked, ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
