// ControlNets beside IdentityNet: a row for each, with its picture.
import { byId, make } from './dom.js';
import { decode, draw, sendable } from './pictures.js';
import { clearProblem, reveal, showProblem } from './problems.js';
import { label, say } from './words.js';

const kPrepare = ['none', 'canny'];
const kTypes = ['pose', 'depth', 'scribble', 'canny', 'normal', 'segment', 'tile', 'repaint'];
const kStrength = 0.4;

let names = [];
let most = 0;
let rows = [];  // [{element, file, fields}]
let limitBytes = () => 0;
let changed = () => {};
let made = 0;  // rows ever made, for their ids

/** `limit()`: the most bytes of a file. */
export function startControlNets({ limit, changed: onChange, most: count }) {
  [limitBytes, changed, most] = [limit, onChange, count];
  byId('control-add').onclick = () => {
    add();
    changed();
    rows.at(-1).fields.model.focus();
  };
}

/** Sets the names of the ControlNets that the service has. */
export function useControlNets(list) {
  names = list;
  byId('controls-details').hidden = names.length === 0;
}

/** The value of the setting `controls`. */
export const controls = () => rows.map(({ fields }) => {
  const { model, strength, start, end, prepare, type } = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));
  return `model=${model},strength=${strength},start=${start},end=${end},prepare=${prepare}${type ? `,type=${type}` : ''}`;
});

export const controlPictures = () => rows.map(({ file }) => file);

/** Whether each has a picture; if not, says so. */
export function checkControlNets() {
  if (rows.every(({ file }) => file)) return true;
  showProblem('controls', 'controls.missing');
  reveal('controls');
  return false;
}

/** Fills the rows, without pictures, which the service does not keep. */
export function fillControlNets(texts) {
  for (const row of [...rows]) drop(row);
  for (const text of texts ?? []) {
    const values = Object.fromEntries(text.split(/,(?=[a-z_]+=)/).map((piece) => [piece.slice(0, piece.indexOf('=')), piece.slice(piece.indexOf('=') + 1)]));
    if (!names.includes(values.model)) continue;
    add();
    for (const [name, field] of Object.entries(rows.at(-1).fields)) if (values[name] !== undefined) field.value = values[name];
  }
  if (rows.length > 0) byId('controls-details').open = true;
}

const option = (value, key) => {
  const element = make('option', { value });
  if (key) say(element, key);
  else element.textContent = value;
  return element;
};

function field(id, key, input) {
  input.id = id;
  const title = make('label', { for: id });
  say(title, key);
  return make('div', { class: 'net-field' }, title, input);
}

const number = (value, top) => make('input', { type: 'number', min: 0, max: top, step: 'any', value, inputmode: 'decimal' });

function add() {
  const id = `net-${++made}`;
  const row = { file: null };
  row.fields = {
    model: make('select', {}, ...names.map((name) => option(name))),
    strength: number(kStrength, 5),
    start: number(0, 1),
    end: number(1, 1),
    prepare: make('select', {}, ...kPrepare.map((name) => option(name, `controls.prepare_${name}`))),
    type: make('select', {}, option('', 'controls.type_none'), ...kTypes.map((name) => option(name, `controls.type_${name}`))),
  };
  const canvas = make('canvas', { class: 'thumb', 'aria-hidden': 'true', hidden: true });
  const file = make('input', { type: 'file', accept: 'image/*', hidden: true, id: `${id}-file` });
  const choose = make('button', { type: 'button', onclick: () => file.click() });
  say(choose, 'controls.choose');
  file.onchange = async () => {
    const [picture] = file.files;
    file.value = '';
    if (picture && await takePicture(row, picture, canvas)) say(choose, 'controls.another');
  };
  const remove = make('button', { type: 'button', class: 'link' });
  remove.onclick = () => {
    drop(row);
    changed();
    byId('control-add').focus();
  };
  say(remove, 'controls.remove');
  row.element = make('li', { class: 'net' },
    ...Object.entries(row.fields).map(([name, input]) => field(`${id}-${name}`, `controls.${name}`, input)),
    make('div', { class: 'row' }, canvas, choose, file), remove);
  label(row.element, 'controls.one');
  rows.push(row);
  byId('controls-list').append(row.element);
  show();
}

async function takePicture(row, chosen, canvas) {
  clearProblem('controls');
  const bitmap = await decode(chosen);
  const file = bitmap && await sendable(chosen, bitmap, limitBytes());
  if (!file) return void showProblem('controls', 'photo.unreadable');
  draw(canvas, bitmap, 200);
  canvas.hidden = false;
  bitmap.close();
  row.file = file;
  return true;
}

function drop(row) {
  rows = rows.filter((each) => each !== row);
  row.element.remove();
  clearProblem('controls');
  show();
}

function show() {
  byId('control-add').hidden = rows.length >= most;
}
