// The gallery: all stored jobs, newest first.
import * as api from './api.js';
import { byId, make } from './dom.js';
import { tell } from './problems.js';
import { clear, isUnderWay, show, shownId } from './stage.js';
import { sure } from './sure.js';
import { label, say } from './words.js';

let drawn = '';
let asked = 0;         // number of requests for the list
let underWay = false;  // whether any job in the list is
let bring = () => {};

export function startGallery(options) {
  bring = options.bring;
}

/** Whether the list may change by itself; events arrive only for the job on the stage. */
export const galleryIsUnderWay = () => underWay;

/** Reloads the list and returns it. */
export async function refreshGallery() {
  const turn = ++asked;
  const jobs = await api.jobs();
  if (turn !== asked) return jobs;  // a newer request is pending
  underWay = jobs.some(isUnderWay);
  const shape = JSON.stringify(jobs.map((job) => [job.id, job.state, job.position, job.images.length]));
  if (shape !== drawn) {
    drawn = shape;
    const focused = document.activeElement?.closest?.('.tile')?.dataset.job;
    byId('tiles').replaceChildren(...jobs.map(tile));
    if (focused) byId('tiles').querySelector(`[data-job="${CSS.escape(focused)}"] button`)?.focus();
  }
  byId('gallery-empty').hidden = jobs.length > 0;
  return jobs;
}

function tile(job) {
  const look = make('button', { type: 'button', class: 'tile-look', onclick: () => open(job.id) });
  label(look, 'gallery.look', { prompt: job.settings.prompt });
  if (job.images.length) look.append(make('img', { src: job.images[0].url, alt: '', loading: 'lazy', width: job.images[0].width, height: job.images[0].height }));
  else {
    const word = make('span', { class: 'tile-state' });
    say(word, `gallery.${job.state}`);
    look.append(word);
  }
  if (job.images.length > 1) look.append(make('span', { class: 'tile-count', 'aria-hidden': 'true' }, String(job.images.length)));
  const time = make('time', { datetime: job.created });
  say(time, 'gallery.when', { created: job.created });
  const remove = make('button', { type: 'button', class: 'tile-delete', onclick: () => askToRemove(job) });
  label(remove, isUnderWay(job) ? 'gallery.cancel' : 'gallery.delete', { prompt: job.settings.prompt });
  remove.append(make('span', { 'aria-hidden': 'true' }, '×'));
  return make('li', { class: 'tile', 'data-job': job.id, 'data-state': job.state }, look, remove,
    make('p', { class: 'tile-prompt' }, job.settings.prompt), make('p', { class: 'tile-when' }, time));
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
    byId('gallery-heading').scrollIntoView({ block: 'nearest' });
  } catch (problem) {
    complain(problem);
  }
}

function complain(problem) {
  const line = byId('ended');
  line.hidden = false;
  tell(line, problem);
}
