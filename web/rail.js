// The rail: all stored jobs, newest first, live. Cancelled and failed ones are apart.
//
// Only as many tiles are made as have been scrolled to, so that hundreds of results do not slow the page.
import * as api from './api.js';
import { byId, make, recall, remember, settled } from './dom.js';
import { kOwnPicture } from './photo.js';
import { complain, clear, isUnderWay, show, shownId } from './stage.js';
import { sure } from './sure.js';
import { label, say } from './words.js';

const kTilesAtOnce = 60;
let jobs = [];
let tiles = new Map();  // by id: {shape, element}
let asked = 0;          // number of requests for the list
let underWay = false;   // whether any job in the list is
let bring = () => {};
let visible = kTilesAtOnce;        // how many tiles of the list are there; more come as its end is scrolled to
const end = make('li', { class: 'tiles-end', 'aria-hidden': 'true' });
const favourites = new Set((recall(localStorage, 'favourites') ?? '').split(' ').filter(Boolean));

export function startGallery(options) {
  bring = options.bring;
  byId('rail-search').addEventListener('input', settled(drawAnew, 100));
  new IntersectionObserver((seen, observer) => {
    if (!seen.at(-1).isIntersecting) return;
    visible += kTilesAtOnce;
    draw();
    // It tells of the end again if that is still to be seen.
    observer.unobserve(end);
    observer.observe(end);
  }).observe(end);
  byId('rail-favourites').onclick = ({ currentTarget }) => {
    currentTarget.setAttribute('aria-pressed', String(currentTarget.getAttribute('aria-pressed') !== 'true'));
    drawAnew();
  };
}

/** Whether the list may change by itself; events arrive only for the job on the stage. */
export const galleryIsUnderWay = () => underWay;

const kNewest = 100;  // more than can be waiting

/** Reloads the list and returns it; where only the newest can have changed, not all of it. */
export async function refreshGallery({ newest = false } = {}) {
  const turn = ++asked;
  const list = newest ? await withNewest() : await api.jobs();
  if (turn !== asked) return list;  // a newer request is pending
  jobs = list;
  underWay = jobs.some(isUnderWay);
  draw();
  return jobs;
}

/** The known list with its newest part read again. */
async function withNewest() {
  const list = await api.newestJobs(kNewest);
  if (list.length < kNewest) return list;
  const last = jobs.findIndex((job) => job.id === list.at(-1).id);
  return last < 0 ? api.jobs() : [...list, ...jobs.slice(last + 1)];
}

const isUnfinished = (job) => job.state === 'failed' || job.state === 'cancelled';

function isWanted(job) {
  const words = byId('rail-search').value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const text = `${job.settings.prompt} ${job.settings.style ?? ''}`.toLowerCase();
  return words.every((each) => text.includes(each)) &&
    (byId('rail-favourites').getAttribute('aria-pressed') !== 'true' || favourites.has(job.id));
}

/** Another list: from its beginning. */
function drawAnew() {
  visible = kTilesAtOnce;
  draw();
}

function draw() {
  const wanted = jobs.filter(isWanted);
  const unfinished = wanted.filter(isUnfinished);
  const finished = wanted.filter((job) => !isUnfinished(job));
  const kept = new Map();
  const fill = (list, some, last = []) => {
    const elements = [...some.map((job) => tileOf(job, kept)), ...last];
    if (elements.length !== list.children.length || elements.some((each, place) => each !== list.children[place])) list.replaceChildren(...elements);
  };
  const focused = document.activeElement?.closest?.('.tile')?.dataset.job;
  fill(byId('tiles'), finished.slice(0, visible), visible < finished.length ? [end] : []);
  fill(byId('unfinished-tiles'), unfinished);
  tiles = kept;
  if (focused && document.activeElement === document.body) document.querySelector(`[data-job="${CSS.escape(focused)}"] button`)?.focus();
  byId('gallery-empty').hidden = jobs.length > 0;
  byId('gallery-nothing').hidden = jobs.length === 0 || wanted.length > 0;
  byId('unfinished').hidden = unfinished.length === 0;
  if (unfinished.length) say(byId('unfinished-heading'), 'gallery.unfinished', { count: unfinished.length });
}

/** The tile of a job, made anew only if something of it has changed. */
function tileOf(job, kept) {
  const shape = JSON.stringify([job.state, job.position, job.images.length, favourites.has(job.id)]);
  const known = tiles.get(job.id);
  const one = known?.shape === shape ? known : { shape, element: tile(job) };
  kept.set(job.id, one);
  const bar = one.element.querySelector('progress');
  if (bar) {
    const done = (job.image + (job.step ?? 0) / (job.steps || 1)) / (job.settings.count ?? 1);
    if (done > 0) bar.value = Math.min(1, done);
  }
  return one.element;
}

function tile(job) {
  const look = make('button', { type: 'button', class: 'tile-look', title: job.settings.prompt, onclick: () => open(job.id) });
  label(look, 'gallery.look', { prompt: job.settings.prompt });
  if (job.images.length) look.append(make('img', { src: `${job.images[0].url}?small=1`, alt: '', loading: 'lazy', decoding: 'async', width: 192, height: 192 }));
  else {
    const state = make('span', { class: 'tile-state' });
    say(state, `gallery.${job.state}`);
    look.append(state);
  }
  if (job.images.length > 1) look.append(make('span', { class: 'tile-count', 'aria-hidden': 'true' }, String(job.images.length)));
  if (job.state === 'running') look.append(make('progress', { max: 1, 'aria-hidden': 'true' }));
  const remove = make('button', { type: 'button', class: 'tile-button tile-delete', onclick: () => askToRemove(job) });
  label(remove, isUnderWay(job) ? 'gallery.cancel' : 'gallery.delete', { prompt: job.settings.prompt });
  remove.append(make('span', { 'aria-hidden': 'true' }, '×'));
  const element = make('li', { class: 'tile', 'data-job': job.id, 'data-state': job.state }, look, remove);
  if (job.state === 'done') element.append(star(job));
  if (job.images.length) {
    look.draggable = true;
    look.addEventListener('dragstart', (event) => event.dataTransfer.setData(kOwnPicture, job.images[0].url));
  }
  return element;
}

function star(job) {
  const is = favourites.has(job.id);
  const button = make('button', { type: 'button', class: 'tile-button tile-star', 'aria-pressed': String(is) }, make('span', { 'aria-hidden': 'true' }, is ? '★' : '☆'));
  label(button, 'gallery.favourite', { prompt: job.settings.prompt });
  button.onclick = () => {
    if (is) favourites.delete(job.id);
    else favourites.add(job.id);
    remember(localStorage, 'favourites', [...favourites].join(' '));
    draw();
    document.querySelector(`[data-job="${CSS.escape(job.id)}"] .tile-star`)?.focus();
  };
  return button;
}

async function open(id) {
  try {
    show(await api.job(id));
    bring();
  } catch (problem) {
    if (problem.status === 404) refreshGallery();
    else complain(problem);
  }
}

async function askToRemove(job) {
  if (!(await sure(isUnderWay(job) ? 'gallery.sure_running' : 'gallery.sure', 'gallery.sure_hint'))) return;
  try {
    await api.deleteJob(job.id);
    if (shownId() === job.id) clear();
    await refreshGallery();
  } catch (problem) {
    complain(problem);
  }
}
