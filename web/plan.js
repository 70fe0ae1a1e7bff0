// The estimate: the plan for the current settings, requested again whenever they change.
import * as api from './api.js';
import { bringIntoView, byId, make, settled } from './dom.js';
import { tell } from './problems.js';
import { chooseQuality, quality, readSettings, showSteps, useSize } from './settings.js';
import { say, sayAsIs } from './words.js';

const kQualities = { draft: 'plan.draft', good: 'plan.good', best: 'plan.best' };

let asking = null;
let latest = null;
const stepsOf = {};  // of each quality, once a plan has told them
let onPlan = () => {};
let isReady = () => true;

export const latestPlan = () => latest;

/** `isReady()`: whether the form has the model's settings. */
export function startPlan(options) {
  ({ onPlan, isReady } = options);
  addQualities();
  byId('smaller').onclick = () => {
    const { width, height } = latest.smaller;
    useSize(width, height);
    byId('make').focus({ preventScroll: true });
  };
}

/** Requests a new plan once the user has paused. */
export const planSoon = settled(planNow, 300);

async function planNow() {
  showChosen();
  asking?.abort();
  if (!isReady()) return;
  const settings = readSettings({ quiet: true });
  if (!settings) return showNothing();
  const question = asking = new AbortController();
  byId('plan').classList.add('asking');
  try {
    const plan = await api.plan(settings, question.signal);
    if (question.signal.aborted) return;
    latest = plan;
    show(plan, settings);
  } catch (problem) {
    if (question.signal.aborted) return;
    showNothing();
    if (problem.code !== 'unreachable') {
      byId('plan-line').hidden = false;
      tell(byId('plan-line'), problem);
    }
  } finally {
    if (asking === question) byId('plan').classList.remove('asking');
  }
}

function showNothing() {
  latest = null;
  for (const id of ['plan-line', 'refusal', 'plan-details']) byId(id).hidden = true;
  onPlan(null);
}

function show(plan, settings) {
  const line = byId('plan-line');
  byId('refusal').hidden = plan.fits;
  line.hidden = !plan.fits;
  if (plan.fits) {
    say(line, 'plan.line', { seconds: plan.seconds });
  } else {
    const [w, h] = [settings.width, settings.height];
    say(byId('refusal-text'), 'plan.refusal', { size: `${w} × ${h}`, minimum: plan.minimum_bytes, budget: plan.budget_bytes });
    byId('smaller').hidden = !plan.smaller;
    if (plan.smaller) say(byId('smaller'), 'plan.smaller', { size: `${plan.smaller.width} × ${plan.smaller.height}` });
  }
  showQualities(plan.qualities);
  byId('prompt-hint').hidden = plan.hints.length === 0;
  if (plan.hints.length) say(byId('prompt-hint'), `hint.${plan.hints[0]}`);
  const summary = (plan.summary ?? []).join('\n');  // already in the page's language
  byId('plan-details').hidden = summary === '';
  sayAsIs(byId('plan-summary'), summary);
  onPlan(plan);
}

/** A button for each quality; the chosen one is pressed. */
function addQualities() {
  byId('qualities').append(...Object.entries(kQualities).map(([name, key]) => {
    const [title, time] = [make('span'), make('span', { class: 'quality-time' })];
    say(title, key);
    const button = make('button', { type: 'button', class: 'quality', id: `quality-${name}` }, title, time);
    button.onclick = () => {
      chooseQuality(name, stepsOf[name]);
      showChosen();
    };
    return button;
  }));
  showChosen();
}

/** The time that each takes. */
function showQualities(qualities) {
  for (const { name, steps, seconds } of qualities) {
    stepsOf[name] = steps;
    say(byId(`quality-${name}`).lastChild, 'plan.quality', { seconds });
  }
  if (stepsOf[quality()]) showSteps(stepsOf[quality()]);
  showChosen();
}

/** Marks the chosen quality; call it when that may have changed. */
export function showChosen() {
  for (const name of Object.keys(kQualities)) byId(`quality-${name}`)?.setAttribute('aria-pressed', String(name === quality()));
}

/** Whether the plan lets the job start; if not, scrolls to the refusal. */
export function planAllows() {
  if (!latest || latest.fits) return true;
  bringIntoView(byId('refusal'), 'center');
  (latest.smaller ? byId('smaller') : byId('refusal')).focus({ preventScroll: true });
  return false;
}
