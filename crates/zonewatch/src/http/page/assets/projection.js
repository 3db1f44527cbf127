// Where a place stands on the map: the Natural Earth projection (Patterson, Šavrič and Jenny, 2012), cut above Antarctica.
// tools/make_land.mjs draws the outline with it, and the page sets the edges on it.

export const WIDTH = 1000;
export const HEIGHT = 470;
const SCALE = WIDTH / (2 * Math.PI * 0.8707);
/** Northern Greenland is just below the upper edge. */
const NORTH = 84.5;

function northing(degrees) {
  const phi = (degrees * Math.PI) / 180;
  const phi2 = phi * phi;
  const phi4 = phi2 * phi2;
  return phi * (1.007226 + phi2 * (0.015085 + phi4 * (-0.044475 + 0.028874 * phi2 - 0.005916 * phi4)));
}

/** Pixels from the left and from the top of a place in degrees. */
export function project(latitude, longitude) {
  const phi2 = ((latitude * Math.PI) / 180) ** 2;
  const phi4 = phi2 * phi2;
  const narrowing = 0.8707 - 0.131979 * phi2 + phi4 * (-0.013791 + phi4 * (0.003971 * phi2 - 0.001529 * phi4));
  const x = WIDTH / 2 + SCALE * ((longitude * Math.PI) / 180) * narrowing;
  return [x, SCALE * (northing(NORTH) - northing(latitude))];
}
