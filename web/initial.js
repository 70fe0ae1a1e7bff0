// The picture that a new one starts from, and the mask of the part that is repainted: painted with a brush, or a file.
import { byId } from './dom.js';
import { decode, draw, sendable } from './pictures.js';
import { clearProblem, showProblem } from './problems.js';

const state = {
  file: null,      // as uploaded
  size: null,      // {width, height} of that
  mask: false,     // whether there is one, on the canvas
  maskFile: null,  // if it was chosen, as uploaded
};
let limitBytes = () => 0;
let changed = () => {};
let stroke = null;  // the last point of the brush

export const initialSize = () => state.size;
export const hasMask = () => state.mask;

/** The fields for a job: {init, mask}. */
export async function initialFields() {
  if (!state.file) return {};
  return { init: state.file, mask: state.mask ? state.maskFile ?? await paintedMask() : null };
}

/** `limit()`: the most bytes of a file. */
export function startInitial({ limit, changed: onChange }) {
  [limitBytes, changed] = [limit, onChange];
  for (const [name, take] of [['init', takeInitial], ['mask', takeMask]]) {
    byId(`${name}-choose`).onclick = () => byId(`${name}-file`).click();
    byId(`${name}-file`).onchange = (event) => {
      const [file] = event.target.files;
      event.target.value = '';
      if (file) take(file);
    };
  }
  byId('init-remove').onclick = () => {
    forget();
    changed();
    byId('init-choose').focus();
  };
  byId('mask-clear').onclick = () => {
    clearMask();
    changed();
    byId('mask-choose').focus();
  };
  startBrush(byId('mask-canvas'));
}

/** Also for a picture that is dropped. */
export async function takeInitial(file) {
  forget();
  const bitmap = await decode(file);
  if (!bitmap) return void showProblem('init', 'photo.unreadable');
  const sent = await sendable(file, bitmap, limitBytes());
  if (!sent) return void showProblem('init', 'photo.unreadable');
  // A file that had to be converted may be smaller.
  const own = sent === file ? bitmap : await decode(sent);
  draw(byId('init-canvas'), own);
  state.file = sent;
  state.size = { width: own.width, height: own.height };
  for (const each of new Set([bitmap, own])) each.close();
  const { width, height } = byId('init-canvas');
  Object.assign(byId('mask-canvas'), { width, height });
  show();
  changed();
}

async function takeMask(file) {
  clearProblem('mask');
  const bitmap = await decode(file);
  if (!bitmap) return void showProblem('mask', 'photo.unreadable');
  const { width, height } = state.size;
  if (bitmap.width !== width || bitmap.height !== height) {
    bitmap.close();
    return void showProblem('mask', 'mask.other_size', { size: `${width} × ${height}` });
  }
  clearMask();
  const canvas = byId('mask-canvas');
  const pen = canvas.getContext('2d');
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  // What is dark lets the picture through.
  const pixels = pen.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    pixels.data[i + 3] = pixels.data[i];
    pixels.data.fill(255, i, i + 3);
  }
  pen.putImageData(pixels, 0, 0);
  state.mask = true;
  state.maskFile = file;
  show();
  changed();
}

function startBrush(canvas) {
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    clearProblem('mask');
    state.maskFile = null;  // it is changed
    stroke = place(event);
    paint(canvas, stroke, stroke);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!stroke) return;
    const next = place(event);
    paint(canvas, stroke, next);
    stroke = next;
  });
  const end = () => {
    if (!stroke) return;
    stroke = null;
    state.mask = true;
    show();
    changed();
  };
  for (const name of ['pointerup', 'pointercancel']) canvas.addEventListener(name, end);
}

function paint(canvas, from, to) {
  const pen = canvas.getContext('2d');
  pen.strokeStyle = '#fff';
  pen.lineCap = 'round';
  pen.lineWidth = (Number(byId('mask-brush').value) / 100) * Math.max(canvas.width, canvas.height);
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}

/** White on black, in the size of the picture. */
async function paintedMask() {
  const canvas = Object.assign(document.createElement('canvas'), state.size);
  const pen = canvas.getContext('2d');
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(byId('mask-canvas'), 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, 'image/png'));
}

function clearMask() {
  const canvas = byId('mask-canvas');
  canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
  state.mask = false;
  state.maskFile = null;
  clearProblem('mask');
  show();
}

function forget() {
  state.file = state.size = null;
  clearProblem('init');
  clearMask();
}

function show() {
  const there = state.file !== null;
  byId('init-empty').hidden = there;
  byId('init-framed').hidden = !there;
  byId('init-tools').hidden = !there;
  byId('mask-tools').hidden = !state.mask;
}
