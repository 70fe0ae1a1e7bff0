// Several people in one picture: their photos, and the boxes in which they are, drawn over the picture's shape.
import * as api from './api.js';
import { byId, make } from './dom.js';
import { chosenFace, chosenIdentity, posedFaces, subject } from './photo.js';
import { decode, draw, drawFace, sendable, withOnlyFace } from './pictures.js';
import { clearProblem, reveal, showProblem } from './problems.js';
import { label, say, sayAsIs, word } from './words.js';

const kLeastSide = 0.1;  // of a box, as a fraction of the picture
const kStep = 0.02;      // of the arrow keys
const kEdge = 14;        // pixels: nearer to an edge, the pointer moves that edge alone
// A face in its box: at most these fractions of the box's width and height, with its middle at this height.
const kFace = { width: 0.5, height: 0.4, middle: 0.36 };

// The first is the person of the form; each has {box, element, place, prompt}, the others {file, frame, faces, face} too.
let people = [];
let areMoved = false;  // whether the boxes are no longer side by side
let most = 0;
let limitBytes = () => 0;
let changed = () => {};
let size = [1, 1];  // of the picture
let made = 0;       // rows ever made, for their ids

export const areSeveral = () => people.length > 1;

/** `limit()`: the most bytes of a photo. */
export function startPeople({ limit, changed: onChange, most: count }) {
  [limitBytes, changed, most] = [limit, onChange, count];
  byId('person-add').onclick = () => {
    if (people.length === 0) people = [row()];
    people.push(row());
    arrange([people.at(-1)]);
    show();
    people.at(-1).choose.focus();
    changed();
  };
}

/** Gives a photo to a person that was added and has none, and what it shows; resolves to whether there is a face. Null if there is no such person. */
export function takeForPerson(file, caption = null) {
  const empty = people.slice(1).find((each) => !each.file);
  if (!empty) return null;
  if (caption) empty.prompt.value = caption;
  return takePhoto(empty, file);
}

/** The person whose row an element is in, as a function that takes its photo; null outside the rows of further people. */
export function personAt(element) {
  const person = people.slice(1).find((each) => each.element.contains(element));
  return person ? (file) => takePhoto(person, file) : null;
}

/** The value of the setting `people` for a picture of this size; null for one person. */
export function peopleSetting(width, height) {
  if (!areSeveral()) return null;
  return people.map((person, place) => {
    const seen = faceOf(person);
    const setting = { photos: place === 0 ? Math.max(1, subject().photo?.length ?? 1) : 1 };
    if (person.prompt.value.trim()) setting.prompt = person.prompt.value.trim();
    if (isPosed() || !seen) return setting;
    const box = inPixels(person.box, width, height);
    return { ...setting, box, keypoints: pointsIn(box, seen.face) };
  });
}

/** The photos of all but the first, in their order. */
export const otherPhotos = () => Promise.all(people.slice(1).map(({ file, frame, faces, face }) => withOnlyFace(file, frame, faces, face)));

/** Whether everyone has a photo with a face; if not, says so. */
export function checkPeople() {
  if (!areSeveral()) return true;
  const faceless = people.slice(1).find((each) => !each.face);
  const fault = chosenIdentity() ? 'people.saved' : faceless ? 'people.missing' : null;
  if (fault) {
    showProblem('person', fault);
    reveal('person');
    faceless?.choose.focus({ preventScroll: true });
  }
  return !fault;
}

/** Draws the boxes; call it when the picture's size, the first person or the pose has changed. */
export function showPeople(width, height) {
  size = [width, height];
  if (areSeveral()) show();
}

// ---- photos

const faceOf = (person) => (person === people[0] ? chosenFace() : person.face && { source: person.canvas, frame: person.frame, face: person.face });

/** One person with its row and its box. */
function row() {
  const person = { file: null, face: null, faces: [], box: [0, 0, 1, 1], canvas: make('canvas') };
  const isFirst = people.length === 0;
  const id = `person-${++made}`;
  person.thumb = make('canvas', { class: 'thumb', 'aria-hidden': 'true', hidden: true });
  person.number = make('span', { class: 'person-number', 'aria-hidden': 'true' });
  person.prompt = make('input', { type: 'text', id: `${id}-prompt`, autocomplete: 'off', 'data-word-placeholder': 'people.prompt', placeholder: word('people.prompt') });
  say(person.title = make('label', { class: 'away', for: `${id}-prompt` }), 'people.prompt_of', { place: people.length + 1 });
  person.status = make('p', { class: 'found', role: 'status' });
  person.choices = make('div', { class: 'row person-faces', role: 'group', hidden: true });
  label(person.choices, 'photo.which');
  const file = make('input', { type: 'file', accept: 'image/*', hidden: true, id: `${id}-file` });
  file.onchange = () => {
    const [picture] = file.files;
    file.value = '';
    if (picture) takePhoto(person, picture);
  };
  person.choose = make('button', { type: 'button', class: 'person-choose', hidden: isFirst, onclick: () => file.click() });
  say(person.choose, 'photo.choose');
  person.remove = make('button', { type: 'button', class: 'chip-delete', hidden: isFirst, onclick: () => drop(person) },
    make('span', { 'aria-hidden': 'true' }, '×'));
  person.element = make('li', { class: 'person-row' }, person.number, person.thumb, person.title, person.prompt, person.choose, person.remove,
    person.status, person.choices, file);
  person.place = placeOf(person);
  byId('persons').append(person.element);
  byId('arrange').append(person.place);
  return person;
}

async function takePhoto(person, chosen) {
  clearProblem('person');
  Object.assign(person, { file: null, face: null, faces: [] });
  person.choices.hidden = true;
  const bitmap = await decode(chosen);
  const file = bitmap && await sendable(chosen, bitmap, limitBytes());
  if (!file) return void showProblem('person', 'photo.unreadable');
  draw(person.canvas, bitmap);
  bitmap.close();
  person.file = file;
  say(person.status, 'photo.looking');
  show();
  try {
    const { width, height, faces } = await api.faces(file);
    if (person.file !== file) return;
    Object.assign(person, { frame: { width, height }, faces, face: faces[0] ?? null });
    if (faces.length === 0) showProblem('person', 'people.no_face', { place: people.indexOf(person) + 1 });
    if (faces.length > 1) say(person.status, 'photo.found', { count: faces.length });
    else sayAsIs(person.status, '');
    showChoices(person);
  } catch (problem) {
    if (person.file !== file) return;
    sayAsIs(person.status, '');
    showProblem('person', problem);
  }
  if (!person.face) person.file = null;
  show();
  changed();
  return person.face !== null;
}

/** Of a photo with several faces, a button for each. */
function showChoices(person) {
  person.choices.hidden = person.faces.length < 2;
  if (person.choices.hidden) return;
  person.choices.replaceChildren(...person.faces.map((face, place) => {
    const canvas = make('canvas', { class: 'thumb', 'aria-hidden': 'true' });
    drawFace(canvas, { source: person.canvas, frame: person.frame, face });
    const button = make('button', { type: 'button', class: 'person-face', 'aria-pressed': String(face === person.face) }, canvas);
    label(button, 'photo.face', { place: place + 1, of: person.faces.length });
    button.onclick = () => {
      person.face = face;
      [...person.choices.children].forEach((each) => each.setAttribute('aria-pressed', String(each === button)));
      show();
      changed();
    };
    return button;
  }));
}

function drop(person) {
  people = people.filter((each) => each !== person);
  const gone = people.length === 1 ? [person, ...people.splice(0)] : [person];
  for (const each of gone) {
    each.element.remove();
    each.place.remove();
  }
  clearProblem('person');
  arrange();
  show();
  byId('person-add').focus();
  changed();
}

// ---- boxes

/** Whether the faces of the pose photo say where everyone is. */
const isPosed = () => posedFaces() >= people.length;

/** Side by side, unless some box was moved: then only those `anew`. */
function arrange(anew = []) {
  const count = people.length;
  if (count < 2) areMoved = false;
  people.forEach((person, place) => {
    if (!areMoved || anew.includes(person)) person.box = [place / count, 0, (place + 1) / count, 1];
  });
}

const inPixels = (box, width, height) => box.map((edge, i) => Math.round(edge * (i % 2 ? height : width)));

/** Where the face of a photo is in a box, [left, top, width, height], in the box's unit. */
function facePlace([left, top, right, bottom], { box }) {
  const [width, height] = [box[2] - box[0], box[3] - box[1]];
  const scale = Math.min((kFace.width * (right - left)) / width, (kFace.height * (bottom - top)) / height);
  const [x, y] = [(left + right) / 2, top + kFace.middle * (bottom - top)];
  return [x - (scale * width) / 2, y - (scale * height) / 2, scale * width, scale * height];
}

/** The keypoints of a photo's face in a box of the picture. */
function pointsIn(box, face) {
  const [left, top, width] = facePlace(box, face);
  const scale = width / (face.box[2] - face.box[0]);
  return face.keypoints.map(([x, y]) => [left + (x - face.box[0]) * scale, top + (y - face.box[1]) * scale].map((each) => Math.round(10 * each) / 10));
}

/** A box of the picture, which the pointer and the arrow keys move. */
function placeOf(person) {
  person.face_mark = make('canvas', { class: 'place-face', 'aria-hidden': 'true' });
  person.tag = make('span', { class: 'person-number', 'aria-hidden': 'true' });
  const place = make('button', { type: 'button', class: 'place', 'aria-describedby': 'arrange-hint' }, person.face_mark, person.tag);
  let grip = null;  // {x, y, box, edges} where the pointer took it
  place.addEventListener('pointerdown', (event) => {
    grip = { x: event.clientX, y: event.clientY, box: person.box, edges: edgesAt(place, event) };
    place.setPointerCapture(event.pointerId);
  });
  place.addEventListener('pointermove', (event) => {
    if (!grip) return void (place.style.cursor = cursorOf(edgesAt(place, event)));
    const { width, height } = byId('arrange').getBoundingClientRect();
    move(person, grip.box, [(event.clientX - grip.x) / width, (event.clientY - grip.y) / height], grip.edges);
  });
  for (const name of ['pointerup', 'pointercancel']) {
    place.addEventListener(name, () => {
      if (grip && grip.box !== person.box) changed();
      grip = null;
    });
  }
  place.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: [-kStep, 0], ArrowRight: [kStep, 0], ArrowUp: [0, -kStep], ArrowDown: [0, kStep] }[event.key];
    if (!by) return;
    event.preventDefault();
    move(person, person.box, by, event.shiftKey ? [false, false, true, true] : kWhole);
    changed();
  });
  return place;
}

const kWhole = [true, true, true, true];

/** Which edges of a box the pointer moves: left, top, right, bottom. */
function edgesAt(place, { clientX, clientY }) {
  const box = place.getBoundingClientRect();
  const near = (distance, length) => distance < Math.min(kEdge, length / 4);
  const edges = [near(clientX - box.left, box.width), near(clientY - box.top, box.height), near(box.right - clientX, box.width), near(box.bottom - clientY, box.height)];
  return edges.some(Boolean) ? edges : kWhole;
}

function cursorOf(edges) {
  if (edges.every(Boolean)) return 'move';
  const [left, top, right, bottom] = edges;
  if ((left || right) && (top || bottom)) return left === top ? 'nwse-resize' : 'nesw-resize';
  return left || right ? 'ew-resize' : 'ns-resize';
}

/** Moves edges of a box; all four keep its size. It stays in the picture. */
function move(person, from, by, edges) {
  const box = [...from];
  for (const axis of [0, 1]) {
    const [near, far] = [axis, axis + 2];
    let step = by[axis];
    if (edges[near] && edges[far]) {
      step = Math.min(1 - from[far], Math.max(-from[near], step));
      box[near] += step;
      box[far] += step;
    } else if (edges[near]) {
      box[near] = Math.min(from[far] - kLeastSide, Math.max(0, from[near] + step));
    } else if (edges[far]) {
      box[far] = Math.max(from[near] + kLeastSide, Math.min(1, from[far] + step));
    }
  }
  person.box = box;
  areMoved = true;
  clearProblem('person');
  showPlace(person, people.indexOf(person));
}

function show() {
  byId('several').hidden = !areSeveral();
  byId('person-add').hidden = people.length >= most;
  const posed = isPosed();
  byId('arrange').hidden = posed;
  say(byId('arrange-hint'), posed ? 'people.posed' : posedFaces() > 0 ? 'people.pose_few' : 'people.hint', { count: posedFaces() });
  byId('arrange').style.setProperty('--ratio', size[0] / size[1]);
  people.forEach((person, place) => {
    const seen = faceOf(person);
    person.number.textContent = person.tag.textContent = String(place + 1);
    label(person.element, 'people.one', { place: place + 1 });
    label(person.remove, 'people.remove', { place: place + 1 });
    say(person.title, 'people.prompt_of', { place: place + 1 });
    person.thumb.hidden = !seen;
    if (place > 0) say(person.choose, person.file ? 'people.another' : 'photo.choose');
    person.choose.classList.toggle('link', seen !== null);
    person.prompt.hidden = !seen;
    for (const canvas of [person.thumb, person.face_mark]) if (seen) drawFace(canvas, seen);
    showPlace(person, place);
  });
}

function showPlace(person, place) {
  const [left, top, right, bottom] = person.box;
  const percent = (value) => `${100 * value}%`;
  Object.assign(person.place.style, { left: percent(left), top: percent(top), width: percent(right - left), height: percent(bottom - top) });
  label(person.place, 'people.place', {
    place: place + 1, left: Math.round(100 * left), top: Math.round(100 * top), width: Math.round(100 * (right - left)), height: Math.round(100 * (bottom - top)),
  });
  const seen = faceOf(person);
  person.face_mark.hidden = !seen;
  if (!seen) return;
  // The canvas shows a square around the face, in the box's own percentages.
  const [x, y, width, height] = facePlace(inPixels(person.box, ...size), seen.face);
  const side = Math.max(width, height);
  const [wide, high] = [(right - left) * size[0], (bottom - top) * size[1]];
  Object.assign(person.face_mark.style, {
    left: percent((x + width / 2 - side / 2 - left * size[0]) / wide), top: percent((y + height / 2 - side / 2 - top * size[1]) / high),
    width: percent(side / wide), height: percent(side / high),
  });
}
