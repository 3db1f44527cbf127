// Elements. Whatever comes from a log enters the page here, as text: nothing ever reads it as HTML.

const SVG = 'http://www.w3.org/2000/svg';

export const byId = (id) => document.getElementById(id);

function made(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** An element with attributes (a function listens to the event of that name) and children; strings become text. */
export const el = (name, attributes = {}, ...children) => made(document.createElement(name), attributes, children);

/** The same of a picture. */
export const svg = (name, attributes = {}, ...children) => made(document.createElementNS(SVG, name), attributes, children);

/** A name that strangers may have chosen: kept from turning the text around it, and cut where it would fill the page. */
export function name(text, characters = 120) {
  const cut = text.length > characters ? `${text.slice(0, characters)}…` : text;
  return el('bdi', { class: 'name', title: cut === text ? null : text.slice(0, 2000) }, cut);
}

/** Sets text only if it is another one, so that nothing is read out or painted again for nothing. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Replaces what is in `node`. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

/**
 * Makes `parent` hold one child an item, in their order. Children stay the same elements from one call to the next, so that
 * what somebody reads, has focused or has opened stays.
 */
export function keyed(parent, items, key, make, update) {
  const focused = document.activeElement;
  const unused = new Set(parent.children);
  const old = new Map([...unused].map((child) => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const id = String(key(item));
    const node = old.get(id) ?? make(item);
    old.delete(id);
    unused.delete(node);
    node.dataset.key = id;
    update(node, item);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const gone of unused) gone.remove();
  if (focused && focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}
