// The models: cards of the demo model, of those for photos, with download and licences, and of others that are here; switching.
import * as api from './api.js';
import { byId, make, pause } from './dom.js';
import { tell } from './problems.js';
import { label, say, sayAsIs } from './words.js';

let onSwitched = () => {};
let watching = false;

export function startModels(options) {
  onSwitched = options.onSwitched;
  const dialog = byId('models-dialog');
  byId('model-open').onclick = () => openModels();
  byId('models-close').onclick = () => dialog.close();
  byId('pull').onclick = () => act(async () => show(await api.pullModels()));
  byId('pull-cancel').onclick = () => act(async () => show(await api.cancelModels()));
  for (const name of ['demo', 'photos']) byId(`use-${name}`).onclick = () => use(name);
  byId('accept').onchange = () => { byId('pull').disabled = !byId('accept').checked; };
}

const use = (name) => act(async () => {
  say(byId('models-note'), 'models.opening');
  show(await api.useModels(name));
  sayAsIs(byId('models-note'), '');
  await onSwitched();
});

export function openModels() {
  if (!byId('models-dialog').open) byId('models-dialog').showModal();
  watch();
}

async function act(action) {
  byId('models-problem').hidden = true;
  try {
    await action();
  } catch (problem) {
    sayAsIs(byId('models-note'), '');
    byId('models-problem').hidden = false;
    tell(byId('models-problem'), problem);
  }
}

async function watch() {
  if (watching) return;
  watching = true;
  while (byId('models-dialog').open) {
    await act(async () => show(await api.models()));
    await pause(1000);
  }
  watching = false;
}

/** A row for each further base model. */
function showOthers(others, inUse) {
  byId('others').hidden = others.length === 0;
  const list = byId('others-list');
  const shape = JSON.stringify([others, inUse]);
  if (list.dataset.shape === shape) return;
  list.dataset.shape = shape;
  list.replaceChildren(...others.map(({ name, bytes }) => {
    const title = make('span', { class: 'name' }, name);
    const size = make('span', { class: 'hint' });
    if (bytes > 0) say(size, 'models.bytes', { bytes });
    const isUsed = name === inUse;
    const end = isUsed ? make('span', { class: 'mode' }) : make('button', { type: 'button', onclick: () => use(name) });
    say(end, isUsed ? 'models.in_use' : 'models.use');
    if (!isUsed) label(end, 'models.use_named', { name });
    return make('li', {}, title, size, end);
  }));
}

function show({ in_use: inUse, others, complete, parts, free_bytes: free, download }) {
  showOthers(others, inUse);
  const isLoading = download.phase === 'listing' || download.phase === 'downloading';
  for (const name of ['demo', 'photos']) {
    byId(`use-${name}`).hidden = inUse === name || (name === 'photos' && !complete);
    byId(`state-${name}`).hidden = inUse !== name;
  }
  byId('pull-row').hidden = complete || isLoading || inUse === 'photos';
  byId('pull-progress').hidden = !isLoading;
  const stored = parts.reduce((sum, { stored_bytes: bytes }) => sum + bytes, 0);
  say(byId('models-disk'), stored > 0 && !complete ? 'models.disk_some' : 'models.disk', { free, stored });
  say(byId('pull'), stored > 0 ? 'models.resume' : 'models.pull');
  if (byId('licences').children.length === 0) {
    byId('licences').append(...parts.map(({ licence }) => {
      const text = make('li');
      sayAsIs(text, licence);
      return text;
    }));
  }
  const bar = byId('pull-bar');
  if (isLoading && download.total_bytes > 0) bar.value = download.bytes / download.total_bytes;
  else bar.removeAttribute('value');
  if (isLoading) {
    say(byId('pull-line'), download.total_bytes === 0 ? 'models.listing' : download.seconds_left === null ? 'models.loading' : 'models.loading_left',
      { bytes: download.bytes, total: download.total_bytes, seconds: download.seconds_left ?? 0 });
  }
  const problem = byId('pull-problem');
  problem.hidden = download.phase !== 'failed';
  if (!problem.hidden) say(problem, 'models.failed');
  byId('pull-details').hidden = problem.hidden;
  sayAsIs(byId('pull-reason'), download.problem);
}
