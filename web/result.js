// What the stage says about a job that has ended: prompt, likeness, settings, warnings, and why it failed.
import * as api from './api.js';
import { byId, make } from './dom.js';
import { tell, waysOut } from './problems.js';
import { hasWord, say, sayAsIs } from './words.js';

// The least likeness of each word: the cosine of the recogniser's embeddings. Photos of one person are mostly above
// 0.5, those of two people near 0.
const kLikeness = [[0.6, 'very'], [0.45, 'alike'], [0.3, 'some'], [-1, 'little']];

/** Describes a picture; all of a series if `image` is null. */
export function describe(job, image) {
  sayAsIs(byId('caption'), job.settings.prompt);
  const likeness = image?.likeness;
  const line = byId('likeness');
  line.hidden = likeness === null || likeness === undefined;
  if (!line.hidden) {
    byId('likeness-meter').style.setProperty('--part', `${Math.round(100 * Math.max(0, likeness))}%`);
    say(byId('likeness-text'), `likeness.${kLikeness.find(([least]) => likeness >= least)[1]}`, { likeness });
  }
  byId('facts').replaceChildren(...factsOf(job, image ?? job.images[0]));
}

function factsOf(job, image) {
  const s = job.settings;
  const facts = [
    ['facts.size', `${image.width} × ${image.height}`], ['facts.seed', image.seed], ['facts.style', s.style], ['facts.steps', job.steps],
    ['facts.guidance', s.guidance], ['facts.identity_strength', s.identity_strength], ['facts.adapter_strength', s.adapter_strength],
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

export function showWarnings(job) {
  const list = byId('warnings');
  list.hidden = job.warnings.length === 0;
  const shape = JSON.stringify(job.warnings);
  if (list.dataset.shape === shape) return;  // already shown
  list.dataset.shape = shape;
  list.replaceChildren(...job.warnings.map(({ code, param, message, detail }) => {
    const line = make('li', { class: 'warning' });
    const key = `warning.${param === 'negative_prompt' ? 'negative_' : ''}${code}`;
    if (hasWord(key)) say(line, key, { detail });
    else sayAsIs(line, message);
    return line;
  }));
}

const problemOf = ({ error }) => new api.Problem(500, error?.code ?? '', error?.message ?? '', error?.param);

/** What one can do about a job that failed or was cancelled. */
function waysOn(job) {
  const again = make('button', { type: 'button', onclick: () => byId('try-again').click() });
  say(again, 'stage.try_again');
  if (job.state === 'cancelled') return [again];
  const ways = waysOut(problemOf(job), 'stage');
  return ['photo', 'identity'].includes(job.error?.param) && ways.length ? ways : [...ways, again];
}

export function showEnd(job) {
  const line = byId('ended');
  line.hidden = job.state !== 'failed' && job.state !== 'cancelled';
  if (line.dataset.job === `${job.id} ${job.state}`) return;
  line.dataset.job = `${job.id} ${job.state}`;
  byId('ended-ways').replaceChildren(...(line.hidden ? [] : waysOn(job)));
  if (job.state === 'failed') tell(byId('ended-text'), problemOf(job));
  else if (job.state === 'cancelled') say(byId('ended-text'), 'stage.cancelled');
  line.classList.toggle('calm', job.state === 'cancelled');
}
