// Makes the outline of the land on the status page's map: one small SVG of what world-atlas has of Natural Earth at 1:110 million.
// Run it with the version pinned in tools/pins/npm-full.txt:
//
//     node tools/make_land.mjs .cache/tools/full/node_modules/world-atlas crates/zonewatch/src/http/page/assets
//
// Antarctica is left out: no edge location is there. Neighbouring points that fall on one pixel are one.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [, , source, folder] = process.argv;
if (!folder) {
  console.error('usage: node tools/make_land.mjs WORLD-ATLAS FOLDER');
  process.exit(2);
}
const assets = fileURLToPath(new URL('../crates/zonewatch/src/http/page/assets/', import.meta.url));
const { HEIGHT, WIDTH, project } = await import(join(assets, 'projection.js'));

const topology = JSON.parse(readFileSync(join(source, 'land-110m.json'), 'utf8'));
const { scale, translate } = topology.transform;

/** The points of an arc in degrees: TopoJSON has them as differences in a grid. A negative number is an arc from its end. */
function arc(number) {
  let [x, y] = [0, 0];
  const points = topology.arcs[number < 0 ? ~number : number].map(([dx, dy]) => {
    x += dx;
    y += dy;
    return [x * scale[0] + translate[0], y * scale[1] + translate[1]];
  });
  return number < 0 ? points.reverse() : points;
}

/** The ring with longitudes that go on beyond 180 degrees instead of jumping to the other side. */
function unrolled(ring) {
  let turn = 0;
  return ring.map(([longitude, latitude], at) => {
    const step = at === 0 ? 0 : longitude - ring[at - 1][0];
    turn += step > 180 ? -360 : step < -180 ? 360 : 0;
    return [longitude + turn, latitude];
  });
}

/** What of a ring lies on one side of a meridian: `side` is 1 for what is west of it and -1 for what is east. */
function cut(ring, meridian, side) {
  const inside = ([longitude]) => side * (meridian - longitude) >= 0;
  return ring.flatMap((point, at) => {
    const before = ring[(at + ring.length - 1) % ring.length];
    if (inside(before) === inside(point)) return inside(point) ? [point] : [];
    const part = (meridian - before[0]) / (point[0] - before[0]);
    const crossing = [meridian, before[1] + part * (point[1] - before[1])];
    return inside(point) ? [crossing, point] : [crossing];
  });
}

/** The pieces of a ring that the map shows: what reaches over the map's edge comes back on its other side. */
function pieces(ring) {
  const whole = unrolled(ring.flatMap((number, at) => arc(number).slice(at === 0 ? 0 : 1)));
  if (whole.some(([, latitude]) => latitude < -60)) return [];
  return [-360, 0, 360]
    .map((turn) => whole.map(([longitude, latitude]) => [longitude + turn, latitude]))
    .map((turned) => cut(cut(turned, 180, 1), -180, -1))
    .filter((piece) => piece.length > 2);
}

/** A piece as a path of whole half pixels, each point by its difference from the one before. */
function path(points) {
  const grid = points.map(([longitude, latitude]) => project(latitude, longitude).map((value) => Math.round(value * 2)));
  const distinct = grid.filter(([x, y], at) => at === 0 || x !== grid[at - 1][0] || y !== grid[at - 1][1]);
  if (distinct.length < 4) return '';
  const steps = distinct.slice(1).map(([x, y], at) => [x - distinct[at][0], y - distinct[at][1]]);
  const joined = steps
    .map(([x, y]) => `${x}${y < 0 ? '' : ' '}${y}`)
    .join(' ')
    .replaceAll(' -', '-');
  return `M${distinct[0][0]} ${distinct[0][1]}l${joined}z`;
}

const rings = topology.objects.land.geometries.flatMap((geometry) =>
  geometry.type === 'Polygon' ? geometry.arcs : geometry.arcs.flat(),
);
const outline = rings.flatMap(pieces).map(path).join('');
// One grey that is quiet on a light and on a dark ground: the picture is an image, which no style of the page reaches.
writeFileSync(
  join(folder, 'land.svg'),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH * 2} ${HEIGHT * 2}">` +
    `<path fill="#7b8a97" fill-opacity=".3" d="${outline}"/></svg>\n`,
);

const { version } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
const licence = readFileSync(join(source, 'LICENSE'), 'utf8');
writeFileSync(
  join(folder, 'land.LICENSE.txt'),
  `land.svg is made by tools/make_land.mjs from world-atlas ${version}, whose data is Natural Earth's, in the public domain\n` +
    `(https://www.naturalearthdata.com/about/terms-of-use/). The package's own licence:\n\n${licence}`,
);
console.log(`${rings.length} rings, ${outline.length} bytes`);
