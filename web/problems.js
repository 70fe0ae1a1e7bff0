// Errors in the user's language, beside the field they concern.
import { Problem } from './api.js';
import { bringIntoView, byId } from './dom.js';
import { hasWord, say } from './words.js';

// Where each field's problem is shown; problems of other fields appear above the button.
const kPlaces = {
  photo: 'photo', face: 'photo', identity: 'photo', pose: 'pose', prompt: 'prompt', negative_prompt: 'negative_prompt',
  width: 'width', height: 'width', size: 'width', steps: 'steps', guidance: 'guidance', count: 'count', seed: 'seed',
  init: 'init', mask: 'mask', strength: 'init', control: 'controls', controls: 'controls',
  style: 'style', identity_strength: 'identity_strength', adapter_strength: 'adapter_strength',
};

/** Shows a problem beside a field. `reason` is a text key (with `values`) or a Problem of the service. */
export function showProblem(place, reason, values) {
  const line = byId(`${place}-problem`);
  if (reason instanceof Problem) tell(line, reason);
  else say(line, reason, values);
  line.hidden = false;
  const field = byId(place);
  if (field) {
    field.setAttribute('aria-invalid', 'true');
    describe(field, line.id, true);
  }
  return line;
}

export function clearProblem(place) {
  const line = byId(`${place}-problem`);
  if (line.hidden) return;
  line.hidden = true;
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
