// The person: a photo and one of its faces, or a saved face; and the photo for the pose.
import * as api from './api.js';
import { openCamera } from './camera.js';
import { byId, make } from './dom.js';
import { takeInitial } from './initial.js';
import { forgetMorePhotos, morePhotos, startMorePhotos } from './more_photos.js';
import { decode, draw, pictureIn, sendable } from './pictures.js';
import { clearProblem, showProblem } from './problems.js';
import { label, say, sayAsIs } from './words.js';

const state = {
  file: null,       // as uploaded
  frame: null,      // {width, height} of the photo
  seen: null,       // the same of the photo in which the faces were found
  face: 0,
  faces: [],
  identity: null,   // {id, name} of a saved face instead of a photo
  sample: null,     // what a sample face shows, in words
  pose: null,
  poseFrame: null,
  posedFaces: 0,    // how many the pose shows
};
const kCaption = 'portrait of a person';
let looking = null;  // AbortController of the current search
let limitBytes = 32 * 2 ** 20;
let demo = null;         // {nativeSide} of a model that knows drawn faces only
let stoppedFile = null;  // a photo that such a model cannot use
let changed = () => {};
let isOneOfSeveral = () => false;

/** What the person is, in the words of the model: the prompt of a picture without one. */
export const caption = () => state.sample ?? kCaption;
export const chosenSample = () => state.sample;
/** The photo as a file; null for a saved face. */
export const photoFile = () => (state.identity ? null : state.file);

/** The fields for a job: {photo, face, identity, pose}; `photo` is a list, the first one with the chosen face. */
export const subject = () => ({
  photo: state.identity ? null : [state.file, ...morePhotos()],
  face: state.identity ? null : state.face,
  identity: state.identity?.id ?? null,
  pose: state.pose,
});

/** The frame that sets the picture's shape if no size is given: the pose's, else the photo's; null if there is neither. */
export const frame = () => state.poseFrame ?? (state.identity || isOneOfSeveral() ? null : state.frame);

/** The chosen face for drawFace(); null if there is none. */
export function chosenFace() {
  const face = state.identity ? null : state.faces.find(({ index }) => index === state.face);
  return face ? { source: byId('photo-canvas'), frame: state.seen, face } : null;
}

export const posedFaces = () => state.posedFaces;

export const isLooking = () => looking !== null;

/** Whether a person is chosen; if not, says at the photo what is missing. */
export function checkSubject() {
  if (state.identity) return true;
  if (!state.file) showProblem('photo', 'photo.missing');
  else if (!looking && state.faces.length === 0) showProblem('photo', 'photo.no_face');
  else return !looking;
  return false;
}

export function startPhoto(options) {
  ({ changed, isOneOfSeveral } = options);
  startMorePhotos(() => limitBytes);
  const well = byId('photo-well');
  byId('photo-choose').onclick = () => byId('photo-file').click();
  byId('photo-camera').onclick = () => openCamera(takePhoto, () => byId('photo-shot').click());
  for (const id of ['photo-file', 'photo-shot']) byId(id).onchange = (event) => takeFrom(event.target, takePhoto);
  byId('photo-remove').onclick = () => {
    forgetPhoto();
    byId('photo-choose').focus();
  };
  byId('stopped-models').onclick = () => options.models();
  byId('stopped-sample').onclick = () => {
    byId('photo-stopped').hidden = true;
    document.querySelector('#samples button').focus();
  };
  byId('stopped-anyway').onclick = () => use(stoppedFile);
  byId('pose-choose').onclick = () => byId('pose-file').click();
  byId('pose-file').onchange = (event) => takeFrom(event.target, takePose);
  byId('pose-remove').onclick = () => {
    forgetPose();
    byId('pose-choose').focus();
  };
  document.addEventListener('paste', (event) => {
    const picture = pictureIn(event.clipboardData);
    if (!picture || document.querySelector('dialog[open]')) return;
    event.preventDefault();
    if (!options.takeForPerson(picture)) takePhoto(picture);
  });
  // A photo can be dropped anywhere; dropped on the area of another picture, it becomes that.
  const others = [['pose', takePose], ['init', takeInitial]];
  const otherOf = (event) => others.find(([name]) => byId(`${name}-well`).contains(event.target));
  document.addEventListener('dragover', (event) => {
    if (!['Files', kOwnPicture].some((type) => event.dataTransfer.types.includes(type))) return;
    event.preventDefault();
    const other = otherOf(event);
    well.classList.toggle('over', !other);
    for (const [name] of others) byId(`${name}-well`).classList.toggle('over', other?.[0] === name);
  });
  const out = () => document.querySelectorAll('.well.over').forEach((place) => place.classList.remove('over'));
  document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) out(); });
  document.addEventListener('drop', (event) => {
    const own = event.dataTransfer.getData(kOwnPicture);
    if (!own && !event.dataTransfer.files.length) return;
    event.preventDefault();
    out();
    const person = options.personAt(event.target);
    if (own) return void takeOwn(own, person ?? otherOf(event)?.[1] ?? useFace);
    const [place, take] = person ? ['person', person] : otherOf(event) ?? ['photo', takePhoto];
    const picture = pictureIn(event.dataTransfer);
    if (!picture) return void showProblem(place, 'photo.not_a_picture');
    // Anywhere else a picture of Semblance brings back its settings.
    if (place === 'photo' && picture.type === 'image/png' && !well.contains(event.target)) options.restore(picture).then((is) => { if (!is) takePhoto(picture); });
    else take(picture);
  });
}

/** The type of a result of the page that is dragged; its data is the picture's address. */
export const kOwnPicture = 'application/x-semblance-picture';

async function takeOwn(url, take) {
  try {
    const answer = await api.request(url);
    await take(new File([await answer.blob()], 'picture.png', { type: 'image/png' }));
  } catch (problem) {
    showProblem('photo', problem);
  }
}

export const uploadLimit = () => limitBytes;
export function setUploadLimit(bytes) {
  limitBytes = bytes;
}

function takeFrom(input, take) {
  const [file] = input.files;
  input.value = '';
  if (file) take(file);
}

/** Whether the model knows drawn faces only, and its size; null for other models. */
export function setDemo(facts) {
  demo = facts;
}

/** What a photo from the world looks like: drawn faces are small and not JPEG. */
const kDrawnAreas = 8;
const looksReal = (file, { width, height }) => file.type === 'image/jpeg' || width * height > kDrawnAreas * demo.nativeSide ** 2;

/** Takes a photo: shows it and looks for faces. A model of drawn faces is not given one from the world. */
export async function takePhoto(file) {
  if (!demo) return use(file);
  const bitmap = await decode(file);
  const stop = bitmap && looksReal(file, bitmap);
  bitmap?.close();
  if (!stop) return use(file);
  forgetPhoto();
  stoppedFile = file;
  showStopped('stopped.photo');
  return false;
}

function showStopped(key) {
  byId('photo-stopped').hidden = false;
  byId('stopped-anyway').hidden = key !== 'stopped.photo';
  say(byId('stopped-text'), key);
}

/** Takes a face that the demo model knows; `caption` says what it shows. Resolves to whether it was found. */
export const takeSample = (file, caption) => use(file, caption);

/** A picture of Semblance's own. */
export const useFace = (file) => use(file);

async function use(file, sample = null) {
  forgetPhoto();
  const bitmap = await decode(file);
  if (!bitmap) return void showProblem('photo', 'photo.unreadable');
  draw(byId('photo-canvas'), bitmap);
  state.frame = { width: bitmap.width, height: bitmap.height };
  state.file = await sendable(file, bitmap, limitBytes);
  bitmap.close();
  if (!state.file) return void showProblem('photo', 'photo.unreadable');
  state.sample = sample;
  byId('photo-empty').hidden = true;
  byId('photo-framed').hidden = false;
  byId('photo-side').hidden = false;
  changed();
  await lookForFaces();
  return state.faces.length > 0;
}

async function lookForFaces() {
  const search = looking = new AbortController();
  byId('photo-framed').classList.add('looking');
  say(byId('photo-status'), 'photo.looking');
  try {
    const found = await api.faces(state.file, search.signal);
    if (search.signal.aborted) return;
    looking = null;
    showFaces(found);
  } catch (problem) {
    if (search.signal.aborted) return;
    looking = null;
    sayAsIs(byId('photo-status'), '');
    showProblem('photo', problem);
  } finally {
    if (!search.signal.aborted) byId('photo-framed').classList.remove('looking');
  }
  changed();
}

function showFaces({ width, height, faces }) {
  state.faces = faces;
  state.seen = { width, height };
  state.face = faces[0]?.index ?? 0;
  const status = byId('photo-status');
  if (faces.length === 0) {
    sayAsIs(status, '');
    if (demo) showStopped('stopped.no_face');
    showProblem('photo', 'photo.no_face');
    return;
  }
  byId('photo-well').classList.toggle('several', faces.length > 1);
  say(status, 'photo.found', { count: faces.length });
  byId('faces').replaceChildren(...faces.map((face, place) => faceMark(face, place, faces.length, width, height)));
  byId('photo-options').hidden = false;
}

// A face's frame is a radio button, so the arrow keys move between faces.
function faceMark(face, place, count, width, height) {
  const [left, top, right, bottom] = face.box;
  const input = make('input', { type: 'radio', name: 'face', value: face.index, class: 'away', checked: place === 0 });
  label(input, 'photo.face', { place: place + 1, of: count });
  input.addEventListener('change', () => {
    state.face = face.index;
    changed();
  });
  const mark = make('label', { class: 'face' }, input, make('span', { class: 'face-frame', 'aria-hidden': 'true' }));
  const percent = (value, whole) => `${(100 * value) / whole}%`;
  mark.style.left = percent(left, width);
  mark.style.top = percent(top, height);
  mark.style.width = percent(right - left, width);
  mark.style.height = percent(bottom - top, height);
  for (const [x, y] of face.keypoints) {
    const point = make('span', { class: 'keypoint', 'aria-hidden': 'true' });
    point.style.left = percent(x - left, right - left);
    point.style.top = percent(y - top, bottom - top);
    mark.append(point);
  }
  if (count > 1) mark.append(make('span', { class: 'face-number', 'aria-hidden': 'true' }, String(place + 1)));
  return mark;
}

function forgetPhoto() {
  looking?.abort();
  looking = null;
  forgetMorePhotos();
  Object.assign(state, { file: null, frame: null, seen: null, face: 0, faces: [], identity: null, sample: null });
  stoppedFile = null;
  clearProblem('photo');
  sayAsIs(byId('photo-status'), '');
  byId('faces').replaceChildren();
  byId('photo-framed').classList.remove('looking');
  byId('photo-well').classList.remove('several');
  for (const id of ['photo-framed', 'photo-side', 'photo-options', 'photo-saved', 'photo-stopped']) byId(id).hidden = true;
  byId('photo-empty').hidden = false;
  changed();
}

/** Uses a saved face instead of a photo; null clears it. */
export function takeIdentity(identity) {
  forgetPhoto();
  if (!identity) return;
  state.identity = identity;
  byId('photo-empty').hidden = true;
  byId('photo-saved').hidden = false;
  byId('photo-side').hidden = false;
  say(byId('photo-saved'), 'saved.chosen', { name: identity.name });
  changed();
}
export const chosenIdentity = () => state.identity?.id ?? null;

/** Takes the photo whose head position the picture has. */
export async function takePose(file) {
  byId('advanced').open = true;
  byId('pose-details').open = true;
  clearProblem('pose');
  const bitmap = await decode(file);
  if (!bitmap) return void showProblem('pose', 'photo.unreadable');
  draw(byId('pose-canvas'), bitmap);
  state.poseFrame = { width: bitmap.width, height: bitmap.height };
  state.posedFaces = 0;
  const pose = state.pose = await sendable(file, bitmap, limitBytes);
  bitmap.close();
  if (!pose) return void showProblem('pose', 'photo.unreadable');
  byId('pose-empty').hidden = true;
  byId('pose-framed').hidden = false;
  byId('pose-remove').hidden = false;
  changed();
  try {
    const { faces } = await api.faces(pose);
    if (state.pose !== pose) return;
    state.posedFaces = faces.length;
    if (faces.length === 0) showProblem('pose', 'photo.no_face');
    changed();
  } catch (problem) {
    if (state.pose === pose) showProblem('pose', problem);
  }
}

function forgetPose() {
  state.pose = state.poseFrame = null;
  state.posedFaces = 0;
  clearProblem('pose');
  byId('pose-empty').hidden = false;
  byId('pose-framed').hidden = true;
  byId('pose-remove').hidden = true;
  changed();
}
