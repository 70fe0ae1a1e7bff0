// The stage: the forming pictures, their progress, and what can be done with a finished one.
import * as api from './api.js';
import { byId, make, remember } from './dom.js';
import { follow, followedId, stopFollowing } from './follow.js';
import { bytesOfDataUrl, decode, draw } from './pictures.js';
import { kOwnPicture } from './photo.js';
import { tell, waysOut } from './problems.js';
import { describe, showEnd, showWarnings } from './result.js';
import { hasWord, label, say, sayAsIs, word } from './words.js';
import { startZoom, zoom } from './zoom.js';

const kMore = 4;  // pictures of "More like this"

let shown = null;        // the job on the stage
let chosen = null;       // which of its pictures; null: all of them, in a grid
let leftAt = null;       // the last time left, and when it was reported
let options = {};
let lastSpoken = '';
const photos = new Map();  // of the jobs of this visit, by id: what a result is compared with

export const shownId = () => shown?.id ?? null;
export const isUnderWay = (job) => job.state === 'queued' || job.state === 'running';
/** Whether the picture on the stage is being made. */
export const isAtWork = () => shown !== null && isUnderWay(shown);

/** Remembers the photo of a job's person while the page is open. */
export function keepPhoto(id, file) {
  if (file) photos.set(id, file);
}

export function startStage(given) {
  options = given;
  startZoom();
  byId('cancel').onclick = cancel;
  byId('again').onclick = attempt(async () => options.again(await settingsOf({ withSeed: true }), shown));
  byId('try-again').onclick = attempt(async () => options.makeAs(await settingsOf({})));
  byId('more-like-this').onclick = attempt(async () => options.makeAs({ ...await settingsOf({}), count: kMore }));
  byId('as-face').onclick = attempt(async () => options.asFace(await pictureFile()));
  byId('as-pose').onclick = attempt(async () => options.asPose(await pictureFile()));
  byId('compare').onclick = () => compare(byId('compare').getAttribute('aria-pressed') !== 'true');
  byId('picture-open').onclick = () => zoom(shown.images, chosen ?? 0);
  byId('picture').addEventListener('dragstart', (event) => {
    event.dataTransfer.setData(kOwnPicture, shown.images[chosen].url);
  });
  setInterval(sayTimeLeft, 1000);
}

/** A handler that shows a Problem on the stage. */
const attempt = (action) => async () => {
  try {
    await action();
  } catch (problem) {
    complain(problem);
  }
};

export function complain(problem) {
  byId('ended').hidden = false;
  byId('ended-ways').replaceChildren(...waysOut(problem, 'stage'));
  tell(byId('ended-text'), problem);
}

/** Requests the job, because events shorten long prompts. */
async function settingsOf({ withSeed }) {
  const { settings } = await api.job(shown.id);
  const { seed, ...rest } = settings;
  return withSeed ? { ...rest, seed: shown.images[chosen]?.seed ?? seed } : rest;
}

const pictureFile = async () => {
  const answer = await api.request(shown.images[chosen].url);
  return new File([await answer.blob()], 'picture.png', { type: 'image/png' });
};

/** Puts a job on the stage and follows it while it is under way. */
export function show(job) {
  if (shown?.id !== job.id) {
    stopFollowing();
    chosen = null;
    compare(false);
    byId('preview').hidden = true;
    remember(sessionStorage, 'job', job.id);
  }
  update(job);
  if (isUnderWay(job) && followedId() !== job.id) {
    follow(job.id, {
      onJob: update,
      onPreview: showPreview,
      onEnd: (last) => {
        update(last);
        options.changed();
      },
      onGone: clear,
      onBroken: () => say(byId('progress-left'), 'stage.reconnecting'),
    });
  }
}

/** Empties the stage. */
export function clear() {
  stopFollowing();
  shown = null;
  remember(sessionStorage, 'job', null);
  for (const id of ['preview', 'before', 'cells', 'picture-open', 'strip', 'progress', 'ended', 'warnings', 'result']) byId(id).hidden = true;
  byId('frame-empty').hidden = false;
  byId('frame').dataset.state = 'empty';
  byId('frame').style.removeProperty('--ratio');
}

function update(job) {
  const before = shown;
  // A response may be older than the latest event; a job that has ended stays ended.
  if (before?.id === job.id && !isUnderWay(before) && isUnderWay(job)) return;
  shown = job;
  const frame = byId('frame');
  frame.dataset.state = job.state;
  const { width, height } = job.settings;
  if (width && height) frame.style.setProperty('--ratio', width / height);
  byId('frame-empty').hidden = isUnderWay(job) || job.images.length > 0;
  showProgress(job);
  showPictures(job);
  showWarnings(job);
  showEnd(job);
  if (!before || before.id !== job.id || before.state !== job.state || before.images.length !== job.images.length) options.changed(job);
}

// ---- under way

function showProgress(job) {
  byId('progress').hidden = !isUnderWay(job);
  if (!isUnderWay(job)) {
    leftAt = null;
    speak(`stage.${job.state}`);
    return;
  }
  const bar = byId('progress-bar');
  const line = byId('progress-line');
  byId('cancel').disabled = false;
  const stage = byId('progress-stage');
  // The second pass over a face has the name of the first look at it.
  const doing = `doing.${job.waiting ? 'waiting' : job.stage === 'face' && job.step > 0 ? 'refining' : job.stage}`;
  sayAsIs(stage, '');
  if (job.state === 'queued') {
    bar.removeAttribute('value');
    if (job.position > 0) say(line, 'stage.position', { count: job.position });
    else say(line, 'stage.next');
    speak('stage.queued');
  } else {
    const count = job.settings.count ?? 1;
    const steps = job.steps || job.settings.steps || 1;
    const done = Math.min(1, ((job.image ?? 0) + (job.step ?? 0) / steps) / count);
    byId('frame').style.setProperty('--haze', `${Math.round(10 * Math.max(0, 1 - (2 * (job.step ?? 0)) / steps)) / 2}px`);
    if (job.step > 0) {
      bar.value = done;
      say(line, count > 1 ? 'stage.step_of' : 'stage.step', { step: job.step, steps, image: (job.image ?? 0) + 1, of: count });
      if (hasWord(doing)) say(stage, doing);
    } else {
      // Before the first step the bar moves without a measure, and the line says what is done.
      if (done > 0) bar.value = done;
      else bar.removeAttribute('value');
      say(line, hasWord(doing) ? doing : 'stage.preparing');
    }
    // For a screen reader every quarter is enough.
    speak('stage.quarter', { percent: Math.floor(done * 4) * 25 });
  }
  leftAt = job.seconds_left === null || job.seconds_left === undefined ? null : { at: performance.now(), seconds: job.seconds_left };
  sayTimeLeft();
}

function sayTimeLeft() {
  if (!shown || !isUnderWay(shown)) return;
  const left = byId('progress-left');
  if (!leftAt) return void sayAsIs(left, '');
  const seconds = leftAt.seconds - (performance.now() - leftAt.at) / 1000;
  if (seconds < 1) say(left, 'stage.almost');
  else say(left, 'stage.left', { seconds });
}

function speak(key, values) {
  const text = word(key, values);
  if (text === lastSpoken) return;
  lastSpoken = text;
  say(byId('spoken'), key, values);
}

async function showPreview({ url }) {
  const id = shown.id;
  const bitmap = await decode(bytesOfDataUrl(url));
  if (!bitmap || shown?.id !== id || !isUnderWay(shown)) return;
  const canvas = byId('preview');
  draw(canvas, bitmap);
  bitmap.close();
  canvas.hidden = false;
}

async function cancel() {
  const button = byId('cancel');
  button.disabled = true;
  try {
    update(await api.cancelJob(shown.id));
  } catch (problem) {
    button.disabled = false;
    complain(problem);
  }
}

// ---- the pictures

const countOf = (job) => job.settings.count ?? 1;

function showPictures(job) {
  const { images } = job;
  const isSeries = countOf(job) > 1;
  if (!isSeries && images.length > 0 && !isUnderWay(job)) chosen = 0;
  if (chosen !== null && chosen >= images.length) chosen = null;
  const isOne = chosen !== null && !isUnderWay(job);
  showCells(job, isSeries && !isOne && (isUnderWay(job) || images.length > 0));
  showStrip(job, isSeries && isOne);
  byId('picture-open').hidden = !isOne;
  if (!isUnderWay(job)) byId('preview').hidden = true;
  byId('result').hidden = images.length === 0 || isUnderWay(job);
  if (!byId('result').hidden) showResult(job);
}

/** A series while it is made, and afterwards until one of it is chosen: finished pictures, the forming one, places of the others. */
function showCells(job, visible) {
  const cells = byId('cells');
  const preview = byId('preview');
  cells.hidden = !visible;
  if (!visible) {
    if (preview.parentElement !== byId('frame')) byId('frame').append(preview);
    return;
  }
  const count = isUnderWay(job) ? countOf(job) : job.images.length;
  const shape = `${job.id} ${count} ${job.images.length}`;
  if (cells.dataset.shape === shape) return;
  cells.dataset.shape = shape;
  cells.style.setProperty('--columns', columnsFor(count));
  cells.style.setProperty('--rows', Math.ceil(count / columnsFor(count)));
  byId('frame').append(preview);
  preview.hidden = true;
  cells.replaceChildren(...Array.from({ length: count }, (_, place) => {
    const image = job.images[place];
    if (image) return make('li', {}, pictureButton(job, image, place, () => choose(place)));
    return make('li', { class: 'cell-empty' });
  }));
  if (isUnderWay(job) && job.images.length < count) cells.children[job.images.length].append(preview);
}

/** The number of columns that makes the pictures largest. */
function columnsFor(count) {
  const { clientWidth: width, clientHeight: height } = byId('frame');
  const ratio = Number(byId('frame').style.getPropertyValue('--ratio')) || 1;
  const widthWith = (columns) => Math.min(width / columns, (height / Math.ceil(count / columns)) * ratio);
  return Array.from({ length: count }, (_, place) => place + 1).reduce((best, next) => (widthWith(next) > widthWith(best) ? next : best), 1);
}

function pictureButton(job, image, place, onclick) {
  const button = make('button', { type: 'button', class: 'cell', onclick }, make('img', { src: image.url, alt: '', loading: 'lazy' }));
  label(button, 'stage.picture_of', { place: place + 1, of: countOf(job) });
  return button;
}

/** The others of a series beside the chosen one. */
function showStrip(job, visible) {
  const strip = byId('strip');
  strip.hidden = !visible;
  if (!visible) return;
  if (strip.dataset.job !== job.id || strip.children.length !== job.images.length + 1) {
    strip.dataset.job = job.id;
    const all = make('button', { type: 'button', class: 'cell all', onclick: showAll }, make('span', { class: 'all-mark', 'aria-hidden': 'true' }));
    label(all, 'stage.all');
    strip.replaceChildren(make('li', {}, all), ...job.images.map((image, place) =>
      make('li', {}, pictureButton(job, image, place, () => choose(place)))));
  }
  [...strip.querySelectorAll('.cell:not(.all)')].forEach((button, place) => button.setAttribute('aria-pressed', String(place === chosen)));
}

function showAll() {
  chosen = null;
  compare(false);
  showPictures(shown);
  byId('cells').querySelector('button')?.focus();
}

function choose(place) {
  if (isUnderWay(shown)) return void zoom(shown.images, place);
  chosen = place;
  showPictures(shown);
}

function showResult(job) {
  const image = job.images[chosen ?? 0];
  const picture = byId('picture');
  if (chosen !== null) {
    if (picture.getAttribute('src') !== image.url) picture.src = image.url;
    picture.alt = job.settings.prompt;
    picture.width = image.width;
    picture.height = image.height;
    byId('frame').style.setProperty('--ratio', image.width / image.height);
  }
  for (const id of ['compare', 'as-face', 'as-pose', 'download']) byId(id).hidden = chosen === null;
  byId('download').href = `${image.url}?download=1`;
  byId('compare').hidden ||= !photos.has(job.id);
  describe(job, chosen === null ? null : image);
}

/** Shows the photo beside the picture. */
async function compare(wanted) {
  byId('compare').setAttribute('aria-pressed', String(wanted));
  byId('frame').classList.toggle('comparing', wanted);
  const canvas = byId('before');
  canvas.hidden = !wanted;
  if (!wanted) return;
  const bitmap = await decode(photos.get(shown.id));
  if (!bitmap) return;
  draw(canvas, bitmap);
  bitmap.close();
}
