// Small DOM helpers.

export const byId = (id) => document.getElementById(id);

/** A new element: make('li', {class: 'tile', disabled: true}, child, 'text'). */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

/** Debounces: calls `action` once `milliseconds` have passed without another call. */
export function settled(action, milliseconds) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), milliseconds);
  };
}

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Scrolls smoothly, or at once if the user prefers reduced motion. */
export function bringIntoView(element, block = 'start') {
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  element.scrollIntoView({ block, behavior: calm ? 'auto' : 'smooth' });
}

/** Writes to the browser's storage, which may be disabled. */
export function remember(store, name, value) {
  try {
    if (value === null) store.removeItem(`semblance.${name}`);
    else store.setItem(`semblance.${name}`, value);
  } catch { /* private window: the page works without storage */ }
}
export function recall(store, name) {
  try {
    return store.getItem(`semblance.${name}`);
  } catch {
    return null;
  }
}
