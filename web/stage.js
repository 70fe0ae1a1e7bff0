// The stage: the forming picture, its progress and its result.
import * as api from './api.js';
import { byId, make, remember } from './dom.js';
import { follow, followedId, stopFollowing } from './follow.js';
import { bytesOfDataUrl, decode, draw } from './pictures.js';
import { tell } from './problems.js';
import { hasWord, label, say, sayAsIs, word } from './words.js';

let shown = null;        // the job on the stage
let chosen = 0;          // which of its pictures
let leftAt = null;       // the last time left, and when it was reported
let options = {};
let lastSpoken = '';

export const shownId = () => shown?.id ?? null;

export function startStage(given) {
  options = given;
  byId('cancel').onclick = cancel;
  byId('again').onclick = again;
  setInterval(sayTimeLeft, 1000);
}

/** Requests the job, because events shorten long prompts. */
async function again() {
  const seed = shown.images[chosen]?.seed ?? shown.settings.seed;
  try {
    options.again({ ...(await api.job(shown.id)).settings, seed });
  } catch (problem) {
    byId('ended').hidden = false;
    tell(byId('ended'), problem);
  }
}

/** Puts a job on the stage and follows it while it is under way. */
export function show(job) {
  const another = shown?.id !== job.id;
  if (another) {
    stopFollowing();
    chosen = 0;
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

export const isUnderWay = (job) => job.state === 'queued' || job.state === 'running';

/** Empties the stage. */
export function clear() {
  stopFollowing();
  shown = null;
  remember(sessionStorage, 'job', null);
  for (const id of ['preview', 'picture-link', 'strip', 'progress', 'ended', 'warnings', 'result']) byId(id).hidden = true;
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
  byId('frame-empty').hidden = true;
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
  if (job.state === 'queued') {
    bar.removeAttribute('value');
    if (job.position > 0) say(line, 'stage.position', { count: job.position });
    else say(line, 'stage.next');
    speak('stage.queued');
  } else {
    const count = job.settings.count ?? 1;
    const steps = job.steps || job.settings.steps || 1;
    const done = Math.min(1, ((job.image ?? 0) + (job.step ?? 0) / steps) / count);
    bar.value = done;
    byId('frame').style.setProperty('--haze', `${Math.round(10 * Math.max(0, 1 - (2 * (job.step ?? 0)) / steps)) / 2}px`);
    if (job.step > 0) say(line, count > 1 ? 'stage.step_of' : 'stage.step', { step: job.step, steps, image: (job.image ?? 0) + 1, of: count });
    else say(line, 'stage.preparing');
    // For a screen reader every quarter is enough.
    speak('stage.quarter', { percent: Math.floor(done * 4) * 25 });
  }
  const stage = byId('progress-stage');
  const doing = `doing.${job.waiting ? 'waiting' : job.stage}`;
  if (hasWord(doing)) say(stage, doing);
  else sayAsIs(stage, '');
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
  byId('picture-link').hidden = true;
}

async function cancel() {
  const button = byId('cancel');
  button.disabled = true;
  try {
    update(await api.cancelJob(shown.id));
  } catch (problem) {
    button.disabled = false;
    const line = byId('ended');
    line.hidden = false;
    tell(line, problem);
  }
}

// ---- the result

function showPictures(job) {
  const { images } = job;
  const count = job.settings.count ?? 1;
  const strip = byId('strip');
  // While the job runs, finished pictures are shown here.
  strip.hidden = images.length < (isUnderWay(job) ? 1 : 2);
  if (strip.children.length !== images.length || strip.dataset.job !== job.id) {
    strip.dataset.job = job.id;
    strip.replaceChildren(...images.map((image, place) => {
      const picture = make('img', { src: image.url, alt: '', loading: 'lazy' });
      const button = make('button', { type: 'button', class: 'thumb', onclick: () => choose(place) }, picture);
      label(button, 'stage.picture_of', { place: place + 1, of: count });
      return make('li', {}, button);
    }));
  }
  if (images.length && !isUnderWay(job)) choose(Math.min(chosen, images.length - 1));
  else if (isUnderWay(job)) byId('picture-link').hidden = true;
  byId('result').hidden = images.length === 0 || isUnderWay(job);
}

function choose(place) {
  if (isUnderWay(shown)) return void window.open(shown.images[place].url, '_blank', 'noopener');
  chosen = place;
  const image = shown.images[place];
  const link = byId('picture-link');
  const picture = byId('picture');
  if (picture.getAttribute('src') !== image.url) picture.src = image.url;
  picture.alt = shown.settings.prompt;
  picture.width = image.width;
  picture.height = image.height;
  link.href = image.url;
  link.hidden = false;
  byId('preview').hidden = true;
  [...byId('strip').querySelectorAll('button')].forEach((button, n) => button.setAttribute('aria-pressed', String(n === place)));
  const download = byId('download');
  download.href = `${image.url}?download=1`;
  download.setAttribute('download', `semblance-${image.seed ?? shown.id}.png`);
  byId('caption').textContent = shown.settings.prompt;
  byId('facts').replaceChildren(...factsOf(shown, image));
}

function factsOf(job, image) {
  const s = job.settings;
  const facts = [
    ['facts.size', `${image.width} × ${image.height}`], ['facts.seed', image.seed], ['facts.steps', s.steps], ['facts.guidance', s.guidance],
    ['facts.identity_strength', s.identity_strength], ['facts.adapter_strength', s.adapter_strength],
    ['facts.likeness', image.likeness?.toFixed(2)],
  ];
  if (job.started && job.ended) facts.push(['facts.took', (new Date(job.ended) - new Date(job.started)) / 1000]);
  if (s.negative_prompt) facts.push(['facts.negative', s.negative_prompt]);
  return facts.filter(([, value]) => value !== undefined && value !== null).map(([key, value]) => {
    const title = make('dt');
    say(title, key);
    const text = make('dd');
    if (key === 'facts.took') say(text, 'facts.duration', { seconds: value });
    else text.textContent = value;
    return make('div', { class: key === 'facts.negative' ? 'wide' : '' }, title, text);
  });
}

function showWarnings(job) {
  const list = byId('warnings');
  list.hidden = job.warnings.length === 0;
  const shape = JSON.stringify(job.warnings);
  if (list.dataset.shape === shape) return;  // already shown
  list.dataset.shape = shape;
  list.replaceChildren(...job.warnings.map(({ code, param, message, detail }) => {
    const line = make('li', { class: 'warning' });
    const key = `warning.${param === 'negative_prompt' ? 'negative_' : ''}${code}`;
    if (hasWord(key)) say(line, key, { detail });
    else sayAsIs(line, message, 'en');
    return line;
  }));
}

function showEnd(job) {
  const line = byId('ended');
  line.hidden = job.state !== 'failed' && job.state !== 'cancelled';
  if (job.state === 'failed') tell(line, new api.Problem(500, job.error?.code ?? '', job.error?.message ?? '', job.error?.param));
  else if (job.state === 'cancelled') say(line, 'stage.cancelled');
  line.classList.toggle('calm', job.state === 'cancelled');
  if (!isUnderWay(job) && job.images.length === 0) byId('picture-link').hidden = true;
}
