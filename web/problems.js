// Errors in the user's language, beside the field they concern, with buttons of what can be done.
import { Problem } from './api.js';
import { bringIntoView, byId, make } from './dom.js';
import { hasWord, say } from './words.js';

// Where each field's problem is shown; problems of other fields appear above the button.
const kPlaces = {
  photo: 'photo', face: 'photo', identity: 'photo', pose: 'pose', prompt: 'prompt', negative_prompt: 'negative_prompt',
  width: 'width', height: 'width', size: 'width', steps: 'steps', guidance: 'guidance', count: 'count', seed: 'seed',
  people: 'person', region: 'person', init: 'init', mask: 'mask', strength: 'init', control: 'controls', controls: 'controls',
  style: 'style', identity_strength: 'identity_strength', adapter_strength: 'adapter_strength',
};

// What can be done about a problem, as buttons: by the text's key and the place or, for Problems of the service, by code
// and field, or else by that alone.
const kWays = {
  'photo.no_face.photo': ['photo'], 'photo.no_face.pose': ['pose'], 'photo.unreadable.photo': ['photo'], 'photo.unreadable.pose': ['pose'],
  'photo.unreadable.init': ['init'],
  'missing.photo': ['photo'], 'missing.pose': ['pose'], 'missing.init': ['pose'], missing: ['models'],
  'argument.photo': ['photo'], 'argument.pose': ['pose'], 'argument.init': ['init'],
  'corrupt.photo': ['photo'], 'corrupt.pose': ['pose'], 'corrupt.init': ['init'], corrupt: ['models'], shape: ['models'],
  'not_found.identity': ['photo'],
  memory: ['smaller'], 'memory.photo': ['photo'], 'memory.pose': ['pose'], 'memory.init': ['init'],
  too_large: ['photo'], unreachable: ['retry'], timeout: ['retry'], busy: ['retry'], queue_full: ['retry'], device: ['retry'],
};
let actions = {};  // what each does

/** `ways`: a function for each: photo, pose, init (another file), models, smaller, retry. */
export function startProblems(ways) {
  actions = ways;
}

/** Buttons of what can be done about a problem, as showProblem() takes it. Only the form can be sent again. */
export function waysOut(reason, place) {
  const [key, field] = reason instanceof Problem ? [reason.code, reason.field] : [reason, place];
  return (kWays[`${key}.${field}`] ?? kWays[key] ?? []).filter((name) => name !== 'retry' || place === 'form').map((name) => {
    const button = make('button', { type: 'button', 'data-way': name, onclick: () => actions[name]() });
    say(button, `way.${name}`);
    return button;
  });
}

/** Shows a problem beside a field. `reason` is a text key (with `values`) or a Problem of the service. */
export function showProblem(place, reason, values) {
  const line = byId(`${place}-problem`);
  if (reason instanceof Problem) tell(line, reason);
  else say(line, reason, values);
  line.hidden = false;
  showWays(line, waysOut(reason, place));
  const field = byId(place);
  if (field) {
    field.setAttribute('aria-invalid', 'true');
    describe(field, line.id, true);
  }
  return line;
}

/** The buttons follow the line. */
function showWays(line, buttons) {
  if (line.nextElementSibling?.classList.contains('ways')) line.nextElementSibling.remove();
  if (buttons.length) line.after(make('div', { class: 'row ways' }, ...buttons));
}

export function clearProblem(place) {
  const line = byId(`${place}-problem`);
  if (line.hidden) return;
  line.hidden = true;
  showWays(line, []);
  line.textContent = '';
  delete line.dataset.word;
  const field = byId(place);
  if (field) {
    field.removeAttribute('aria-invalid');
    describe(field, line.id, false);
  }
}

/** Shows a Problem at the field it names, or else at `otherwise`. */
export function showWhereItBelongs(problem, otherwise) {
  const name = (problem.field ?? '').split('.').pop();
  const place = kPlaces[name] ?? otherwise;
  const line = showProblem(place, problem);
  reveal(place, line);
}

/** Scrolls to a field with a problem and focuses it. */
export function reveal(place, line = byId(`${place}-problem`)) {
  for (let around = line.closest('details'); around; around = around.parentElement.closest('details')) around.open = true;
  bringIntoView(line, 'center');
  byId(place)?.focus?.({ preventScroll: true });
}

/** Shows a Problem in the page's words; the service's message is English and meant for users of its API. */
export function tell(element, problem) {
  const key = `problem.${problem.code}`;
  say(element, [`${key}.${problem.field}`, key].find(hasWord) ?? (problem.status >= 500 ? 'problem.internal' : 'problem.refused'));
}

function describe(field, id, on) {
  const ids = new Set((field.getAttribute('aria-describedby') ?? '').split(' ').filter(Boolean));
  if (on) ids.add(id);
  else ids.delete(id);
  if (ids.size) field.setAttribute('aria-describedby', [...ids].join(' '));
  else field.removeAttribute('aria-describedby');
}
