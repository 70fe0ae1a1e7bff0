// The style of the picture: a strip of cards. Their pictures were made by the demo model (tools/page_pictures.py).
import { byId, make } from './dom.js';
import { hasWord, say, sayAsIs } from './words.js';

const kPictured = ['watercolor', 'film_noir', 'neon', 'jungle', 'mars', 'vibrant_color', 'snow', 'line_art'];

let changed = () => {};
let first = '';  // a style that was filled in before the service's were known

const fileOf = (name) => name.toLowerCase().replaceAll(' ', '_');

export function startStyles(options) {
  changed = options.changed;
  useStyles([]);
  byId('styles').addEventListener('change', () => changed());
}

/** Sets the names of the styles that the service has. */
export function useStyles(names) {
  const chosen = chosenStyle() || first;
  byId('styles').replaceChildren(...['', ...names].map(card));
  chooseStyle(chosen);
}

/** Its name; empty for none. */
export const chosenStyle = () => document.querySelector('input[name=style]:checked')?.value ?? '';

export function chooseStyle(name) {
  first = name;
  const cards = [...document.querySelectorAll('input[name=style]')];
  const card = cards.find((each) => each.value === name) ?? cards[0];
  card.checked = true;
  if (name) card.parentElement.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

function card(name) {
  const file = fileOf(name);
  const id = `style-${file || 'none'}`;
  const input = make('input', { type: 'radio', name: 'style', id, value: name, class: 'away' });
  const title = make('span', { class: 'style-name' });
  if (hasWord(`style.${file || 'none'}`)) say(title, `style.${file || 'none'}`);
  else sayAsIs(title, name);
  const picture = kPictured.includes(file)
    ? make('img', { src: `web/style_${file}.webp`, alt: '', width: 128, height: 128 })
    : make('span', { class: `style-blank${name ? '' : ' none'}`, 'aria-hidden': 'true' }, name.slice(0, 2));
  return make('label', { class: 'style', for: id }, input, picture, title);
}
