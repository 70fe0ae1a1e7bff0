// The settings form: dials, size, seed, prompts; reading it, filling it, and checking its limits.
import { controls, fillControlNets } from './control_nets.js';
import { byId, make, recall, remember } from './dom.js';
import { hasMask, initialSize } from './initial.js';
import { peopleSetting } from './people.js';
import { caption, frame } from './photo.js';
import { clearProblem, reveal, showProblem } from './problems.js';
import { chooseStyle, chosenStyle, startStyles, useStyles } from './styles.js';
import { addWord, hasWord, label, say } from './words.js';

const kFewSteps = 20;  // below it, only models made for few steps give a good picture
const kShapes = [
  { name: 'photo' }, { name: 'square', shape: [1, 1] }, { name: 'portrait', shape: [3, 4] },
  { name: 'landscape', shape: [4, 3] }, { name: 'custom' },
];

// Where the dials of a place are.
const kPlaces = { dials: 'dials', finer: 'finer-dials', initial: 'init-dials', mask: 'mask-dials' };
// Whether a parameter of a place has an effect.
const isUsed = ({ place }) => (place === 'initial' ? initialSize() !== null : place === 'mask' ? hasMask() : true);

let parameters = {};  // by name, from web/parameters.json
let dials = [];       // those that have a slider
let choices = [];     // those that have a list
let switches = [];    // those that are on or off
let nativeSide = 1024;
let fewSteps = false;         // whether the model is made for few steps
let fewStepSamplers = [];
let usual = {};         // the model's own settings
let chosenQuality = 'good';  // or draft, best; empty: the steps of the dial
let changed = () => {};

export const quality = () => chosenQuality;

/** The steps are those of the quality until the user changes them. */
export function chooseQuality(name, steps) {
  chosenQuality = name;
  if (steps) showSteps(steps);
  clearProblem('steps');
  warnOfFewSteps();
  keep();
  changed();
}

/** Shows the steps of the chosen quality. */
export const showSteps = (steps) => turn('steps', steps);

const keep = () => remember(sessionStorage, 'settings', JSON.stringify({ ...readRaw(), shape: chosenShape() }));

/** Sets the parameters with their limits and texts; call it before startSettings(). */
export function useParameters(list) {
  parameters = Object.fromEntries(list.map((each) => [each.name, each]));
  // The style has cards of its own.
  choices = list.filter((each) => each.place && each.choices && each.name !== 'style');
  switches = list.filter((each) => each.place && each.kind === 'switch');
  dials = list.filter((each) => each.place && !each.choices && each.kind !== 'switch');
  for (const { name, title, help, absent } of [...dials, ...choices, ...switches]) {
    addWord(`dials.${name}`, title);
    addWord(`dials.${name}_hint`, help);
    if (absent) addWord(`dials.${name}_absent`, absent);
  }
}

export function startSettings(options) {
  changed = options.changed;
  for (const dial of dials) byId(kPlaces[dial.place]).append(dialRow(dial));
  for (const choice of choices) byId(kPlaces[choice.place]).append(choiceRow(choice));
  for (const each of switches) byId(kPlaces[each.place]).append(switchRow(each));
  for (const side of ['width', 'height']) {
    const { least, most, multiple_of } = parameters[side];
    Object.assign(byId(side), { min: least, max: most, step: multiple_of });
  }
  byId('shapes').append(...kShapes.map(shapeChoice));
  startStyles({ changed: () => clearProblem('prompt') });
  chooseShape('photo');
  byId('shapes').addEventListener('change', () => {
    const custom = chosenShape() === 'custom';
    if (custom && !byId('width').value) [byId('width').value, byId('height').value] = areaSize([1, 1]);
    byId('custom-size').hidden = !custom;
    clearProblem('width');
  });
  byId('randomise').addEventListener('change', (event) => {
    if (!event.target.checked && !byId('seed').value) byId('seed').value = String(Math.floor(Math.random() * 2 ** 32));
  });
  byId('seed').addEventListener('input', () => { byId('randomise').checked = byId('seed').value === ''; });
  byId('inpaint_area').addEventListener('change', refreshSizes);
  byId('make-form').addEventListener('input', (event) => {
    const field = event.target.id.replace(/-range$/, '').replace('height', 'width');
    if (byId(`${field}-problem`)) clearProblem(field);
    if (field === 'steps') chosenQuality = '';
    keep();
    changed();
  });
  restore();
}

/** Uses the service's facts about its model: native size and defaults. */
export function useInfo(info) {
  nativeSide = info.model.native_side;
  usual = info.defaults;
  useStyles(info.styles);
  fewSteps = info.model.few_steps;
  fewStepSamplers = info.model.few_step_samplers;
  const kept = keptSettings();
  for (const { name } of dials) if (kept?.[name] === undefined && usual[name] !== undefined && usual[name] !== null) turn(name, usual[name]);
  refreshSizes();
  warnOfFewSteps();
}

/** A person's word for a parameter, with its technical name beside it. */
function titleOf(name) {
  const title = make('label', { for: name });
  const text = make('span');
  say(text, hasWord(`plain.${name}`) ? `plain.${name}` : `dials.${name}`);
  title.append(text);
  if (hasWord(`plain.${name}`)) {
    const technical = make('small', { class: 'technical' });
    say(technical, `dials.${name}`);
    title.append(' ', technical);
  }
  return title;
}

function hintOf(name) {
  const hint = make('p', { class: 'hint', id: `${name}-hint` });
  say(hint, hasWord(`plain.${name}_hint`) ? `plain.${name}_hint` : `dials.${name}_hint`);
  return hint;
}

function dialRow({ name, kind, least, most, from, to, step, start: first, default: usual }) {
  const whole = kind === 'whole';
  const start = usual ?? first ?? from;
  const title = titleOf(name);
  const number = make('input', {
    type: 'number', id: name, min: least, max: most, step: whole ? 1 : 'any', value: start, inputmode: whole ? 'numeric' : 'decimal',
  });
  const range = make('input', { type: 'range', id: `${name}-range`, min: from, max: to, step, value: start });
  label(range, hasWord(`plain.${name}`) ? `plain.${name}` : `dials.${name}`);
  range.addEventListener('input', () => {
    number.value = range.value;
    fill(range);
    if (name === 'steps') warnOfFewSteps();
  });
  number.addEventListener('input', () => {
    range.value = number.value;
    fill(range);
    if (name === 'steps') warnOfFewSteps();
  });
  fill(range);
  const hint = hintOf(name);
  number.setAttribute('aria-describedby', hint.id);
  const row = make('div', { class: 'dial' }, title, number, range, hint);
  if (name === 'steps') row.append(make('p', { class: 'warning', id: 'steps-warning', role: 'status', hidden: true }));
  row.append(make('p', { class: 'problem', id: `${name}-problem`, role: 'alert', hidden: true }));
  return row;
}

/** A list; without a default its first entry is none of it. */
function choiceRow({ name, place, choices: list, default: usual }) {
  const title = titleOf(name);
  const hint = hintOf(name);
  const select = make('select', { id: name, 'aria-describedby': hint.id },
    ...list.map((each) => {
      const option = make('option', { value: each.name }, each.title);
      if (place === 'mask') say(option, `${name}.${each.name}`);
      return option;
    }));
  if (!usual) {
    const open = make('option', { value: '' });
    say(open, `dials.${name}_absent`);
    select.prepend(open);
  }
  select.value = usual ?? '';
  select.addEventListener('change', warnOfFewSteps);
  const problem = make('p', { class: 'problem', id: `${name}-problem`, role: 'alert', hidden: true });
  return make('div', { class: 'choice' }, title, select, hint, problem);
}

function switchRow({ name, start }) {
  const input = make('input', { type: 'checkbox', id: name, checked: start, 'aria-describedby': `${name}-hint` });
  return make('div', { class: 'choice' }, make('div', { class: 'check' }, input, titleOf(name)), hintOf(name));
}

const fill = (range) =>
  range.style.setProperty('--part', `${(100 * (range.value - range.min)) / (range.max - range.min)}%`);

function turn(name, value) {
  byId(name).value = value;
  byId(`${name}-range`).value = value;
  fill(byId(`${name}-range`));
}

function warnOfFewSteps() {
  const warning = byId('steps-warning');
  const steps = Number(byId('steps').value);
  const madeForFew = chosenQuality !== '' || fewSteps || fewStepSamplers.includes(byId('scheduler').value);
  warning.hidden = madeForFew || !(steps >= 1 && steps < kFewSteps);
  if (!warning.hidden) say(warning, 'dials.few_steps', { count: kFewSteps });
  else warning.textContent = '';
}

// ---- size

function shapeChoice({ name }) {
  const input = make('input', { type: 'radio', name: 'shape', id: `shape-${name}`, value: name, class: 'away' });
  const title = make('span', { class: 'shape-name' });
  say(title, `size.${name}`);
  return make('label', { class: 'shape', for: `shape-${name}` }, input,
    make('span', { class: `shape-icon ${name}`, 'aria-hidden': 'true' }), title,
    make('span', { class: 'shape-size', id: `shape-size-${name}` }));
}

const chosenShape = () => document.querySelector('input[name=shape]:checked')?.value;

function chooseShape(name) {
  byId(`shape-${name}`).checked = true;
  byId('custom-size').hidden = name !== 'custom';
}

/** The size of a shape at the model's native area, in steps of 64: the rule of auto_size() in src/image. */
function areaSize([w, h]) {
  const fitted = (length) => Math.max(64, Math.round(Math.min(length, nativeSide ** 2 / 64) / 64) * 64);
  const aspect = Math.sqrt(w / h);
  return [fitted(nativeSide * aspect), fitted(nativeSide / aspect)];
}

/** The size of a picture to start from, at most the model's native area. */
function sizeLike({ width, height }) {
  const scale = Math.min(1, nativeSide / Math.sqrt(width * height));
  return [width, height].map((side) => Math.max(64, Math.floor((side * scale) / 8) * 8));
}

function sizeOf(name) {
  if (name === 'custom') return [Number(byId('width').value), Number(byId('height').value)];
  if (name === 'photo') {
    const like = initialSize() ?? frame() ?? { width: 1, height: 1 };
    const isPart = hasMask() && byId('inpaint_area').value === 'masked';
    return initialSize() && !isPart ? sizeLike(like) : areaSize([like.width, like.height]);
  }
  return areaSize(kShapes.find((shape) => shape.name === name).shape);
}

/** Updates the size beside each shape; call it when the photo or the model has changed. */
export function refreshSizes() {
  for (const { name } of kShapes) {
    if (name !== 'custom') byId(`shape-size-${name}`).textContent = sizeOf(name).join(' × ');
  }
}

/** [width, height] of the picture. */
export const pictureSize = () => sizeOf(chosenShape());

export function useSize(width, height) {
  byId('width').value = width;
  byId('height').value = height;
  chooseShape('custom');
  clearProblem('width');
  changed();
}

// ---- reading and filling

function readRaw() {
  const values = { prompt: byId('prompt').value, negative_prompt: byId('negative_prompt').value };
  for (const dial of dials) if (isUsed(dial)) values[dial.name] = Number(byId(dial.name).value);
  // What is left at the model's own value is left to the quality, or to a LoRA for few steps.
  if (values.guidance === usual.guidance) delete values.guidance;
  if (values.steps === usual.steps || chosenQuality) delete values.steps;
  if (chosenQuality) values.quality = chosenQuality;
  if (chosenStyle()) values.style = chosenStyle();
  for (const choice of choices) if (isUsed(choice) && byId(choice.name).value) values[choice.name] = byId(choice.name).value;
  for (const { name } of switches) values[name] = byId(name).checked;
  if (controls().length > 0) values.controls = controls();
  [values.width, values.height] = pictureSize();
  const people = peopleSetting(values.width, values.height);
  if (people) values.people = people;
  if (!byId('randomise').checked && byId('seed').value) values.seed = byId('seed').value.trim();
  return values;
}

/** The settings, or null if some are invalid; shows the problems beside the fields unless `quiet`. */
export function readSettings({ quiet = false } = {}) {
  const settings = readRaw();
  // A style is enough to begin with; a plan needs no words at all.
  if (!settings.prompt.trim() && (settings.style || quiet)) settings.prompt = caption();
  const problems = problemsOf(settings);
  if (quiet) return problems.length === 0 ? settings : null;
  for (const [place, key, values] of problems) showProblem(place, key, values);
  if (problems.length === 0) return settings;
  reveal(problems[0][0]);
  return null;
}

function problemsOf(settings) {
  const problems = [];
  if (!settings.prompt.trim()) problems.push(['prompt', 'prompt.missing']);
  for (const place of ['prompt', 'negative_prompt']) {
    if (new TextEncoder().encode(settings[place]).length > parameters[place].most) problems.push([place, 'prompt.long', { most: parameters[place].most }]);
  }
  for (const side of ['width', 'height']) {
    const value = settings[side];
    const { least, most, multiple_of } = parameters[side];
    if (!(value >= least && value <= most && value % multiple_of === 0)) {
      problems.push(['width', 'size.wrong', { step: multiple_of, from: least, to: most }]);
      break;
    }
  }
  for (const { name, kind } of dials) {
    const whole = kind === 'whole';
    const { min, max, value } = byId(name);
    if (settings[name] === undefined) continue;
    const wrong = value === '' || settings[name] < Number(min) || settings[name] > Number(max) || (whole && !Number.isInteger(settings[name]));
    if (wrong) problems.push([name, whole ? 'dials.whole_range' : 'dials.range', { from: Number(min), to: Number(max) }]);
  }
  if (settings.seed !== undefined && !(/^\d{1,20}$/.test(settings.seed) && BigInt(settings.seed) < 2n ** 64n)) problems.push(['seed', 'seed.wrong']);
  return problems;
}

/** Fills the form with the settings of an earlier picture. */
export function fillSettings(settings) {
  byId('prompt').value = settings.prompt ?? '';
  byId('negative_prompt').value = settings.negative_prompt ?? '';
  chosenQuality = settings.quality ?? '';
  chooseStyle(settings.style ?? '');
  for (const { name } of dials) {
    const value = settings[name] ?? usual[name];
    if (value !== undefined && value !== null) turn(name, value);
    clearProblem(name);
  }
  for (const { name, default: usual } of choices) {
    byId(name).value = settings[name] ?? usual ?? '';
    clearProblem(name);
  }
  for (const { name, default: usual } of switches) byId(name).checked = settings[name] ?? usual;
  const shape = settings.shape ?? kShapes.map((each) => each.name).filter((name) => name !== 'custom')
    .find((name) => sizeOf(name).join() === [settings.width, settings.height].join()) ?? 'custom';
  if (shape === 'custom') [byId('width').value, byId('height').value] = [settings.width, settings.height];
  chooseShape(shape);
  byId('seed').value = settings.seed ?? '';
  byId('randomise').checked = settings.seed === undefined;
  byId('finer').open ||= settings.seed !== undefined ||
    choices.some(({ name, place, default: usual }) => place === 'finer' && settings[name] && settings[name] !== usual);
  fillControlNets(settings.controls);
  for (const place of ['prompt', 'negative_prompt', 'width', 'seed']) clearProblem(place);
  warnOfFewSteps();
  changed();
}

function keptSettings() {
  try {
    return JSON.parse(recall(sessionStorage, 'settings'));
  } catch {
    return null;  // written by another version of the page
  }
}

function restore() {
  const kept = keptSettings();
  if (kept) fillSettings(kept);
}
