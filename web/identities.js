// Saved faces: people who can be used again without a photo.
import * as api from './api.js';
import { byId, make, recall, remember } from './dom.js';
import { bytesOfDataUrl, decode, draw, drawFace } from './pictures.js';
import { chosenFace, chosenIdentity, subject, takeIdentity } from './photo.js';
import { clearProblem, showProblem } from './problems.js';
import { sure } from './sure.js';
import { label } from './words.js';

let identities = [];

export function startIdentities() {
  const dialog = byId('save-dialog');
  byId('save-open').onclick = () => {
    clearProblem('save');
    byId('save-name').value = '';
    dialog.showModal();
  };
  byId('save-close').onclick = () => dialog.close();
  byId('save-form').onsubmit = async (event) => {
    event.preventDefault();
    const name = byId('save-name').value.trim();
    if (!name) return void showProblem('save', 'saved.nameless');
    const { photo, face } = subject();
    try {
      const { id } = await api.saveIdentity(photo, face, name);
      remember(localStorage, `face.${id}`, thumbOf(chosenFace()));
      dialog.close();
      await refreshIdentities();
    } catch (problem) {
      showProblem('save', problem);
    }
  };
}

export async function refreshIdentities() {
  identities = await api.identities();
  redrawIdentities();
}

/** A small picture of the chosen face as a data: URL. Only this browser keeps it. */
function thumbOf(seen) {
  const canvas = document.createElement('canvas');
  drawFace(canvas, seen, 1.6);
  return canvas.toDataURL('image/jpeg', 0.8);
}

/** The small picture, or else the name's first letter. */
function faceOf({ id, name }) {
  const kept = recall(localStorage, `face.${id}`);
  if (!kept) return make('span', { class: 'chip-letter', 'aria-hidden': 'true' }, name.slice(0, 1));
  const canvas = make('canvas', { class: 'thumb', 'aria-hidden': 'true' });
  decode(bytesOfDataUrl(kept)).then((bitmap) => { if (bitmap) draw(canvas, bitmap); });
  return canvas;
}

/** Redraws the list; call it when the chosen face has changed. */
export function redrawIdentities() {
  byId('saved-list').hidden = identities.length === 0;
  byId('people').hidden = identities.length === 0 && byId('samples').hidden;
  byId('saved-list').replaceChildren(...identities.map(chip));
}

function chip(identity) {
  const chosen = chosenIdentity() === identity.id;
  const take = make('button', {
    type: 'button', class: 'chip', 'aria-pressed': String(chosen), onclick: () => {
      takeIdentity(chosen ? null : identity);
      byId('saved-list').querySelector(`[data-identity="${CSS.escape(identity.id)}"] .chip`)?.focus();
    },
  }, faceOf(identity), make('span', { class: 'chip-name' }, identity.name));
  const remove = make('button', { type: 'button', class: 'chip-delete', onclick: () => forget(identity) },
    make('span', { 'aria-hidden': 'true' }, '×'));
  label(remove, 'saved.delete', { name: identity.name });
  return make('li', { 'data-identity': identity.id }, take, remove);
}

async function forget(identity) {
  if (!(await sure('saved.sure', 'saved.sure_hint', { name: identity.name }))) return;
  try {
    await api.deleteIdentity(identity.id);
    remember(localStorage, `face.${identity.id}`, null);
    if (chosenIdentity() === identity.id) takeIdentity(null);
    await refreshIdentities();
  } catch (problem) {
    showProblem('photo', problem);
  }
}
