// Further photos of the person: the largest face in each.
import * as api from './api.js';
import { byId, make } from './dom.js';
import { decode, draw, sendable } from './pictures.js';
import { clearProblem, showProblem } from './problems.js';
import { label } from './words.js';

let photos = [];  // [{file, mark}], as uploaded and as shown
let limitBytes = () => 0;

export const morePhotos = () => photos.map(({ file }) => file);

/** `limit()`: the most bytes of a photo. */
export function startMorePhotos(limit) {
  limitBytes = limit;
  byId('more-add').onclick = () => byId('more-file').click();
  byId('more-file').onchange = async (event) => {
    const files = [...event.target.files];
    event.target.value = '';
    clearProblem('photo');
    for (const file of files) await add(file);
  };
}

export function forgetMorePhotos() {
  photos = [];
  byId('more-list').replaceChildren();
}

async function add(chosen) {
  const bitmap = await decode(chosen);
  if (!bitmap) return void showProblem('photo', 'photo.unreadable');
  const canvas = make('canvas', { class: 'thumb', 'aria-hidden': 'true' });
  draw(canvas, bitmap);
  const file = await sendable(chosen, bitmap, limitBytes());
  bitmap.close();
  if (!file) return void showProblem('photo', 'photo.unreadable');
  const photo = { file };
  const remove = make('button', { type: 'button', class: 'chip-delete', onclick: () => drop(photo) },
    make('span', { 'aria-hidden': 'true' }, '×'));
  label(remove, 'photo.more_remove', { name: chosen.name });
  photo.mark = make('li', {}, canvas, remove);
  photos.push(photo);
  byId('more-list').append(photo.mark);
  try {
    const { faces } = await api.faces(file);
    if (faces.length > 0 || !photos.includes(photo)) return;
    showProblem('photo', 'photo.no_face');
  } catch (problem) {
    showProblem('photo', problem);
  }
  drop(photo);
}

function drop(photo) {
  photos = photos.filter((each) => each !== photo);
  photo.mark.remove();
  byId('more-add').focus();
}
