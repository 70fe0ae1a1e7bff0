// Memory: a pill in the header, and what it opens: figures, chart of the last two minutes, what the mode means, what to do.
import * as api from './api.js';
import { byId, make } from './dom.js';
import { bytes, say, sayAsIs, word } from './words.js';

const kSeconds = 120;
const kWidth = 600;
const kHeight = 120;
const kTroubles = ['slow', 'no_face', 'unlike', 'colours', 'memory', 'lost'];
const samples = [];  // {at, bytes}
let latest = null;
let onReached = () => {};
let onLost = () => {};

/** Polls once a second while the page is visible; this also detects when the service goes away or returns. */
export function startMemory(options) {
  ({ onReached, onLost } = options);
  const dialog = byId('memory-dialog');
  byId('memory-open').onclick = () => {
    dialog.showModal();
    if (latest) show(latest);
  };
  byId('memory-close').onclick = () => dialog.close();
  byId('troubles-list').append(...kTroubles.flatMap((name) => {
    const [title, text] = [make('dt'), make('dd')];
    say(title, `trouble.${name}`);
    say(text, `trouble.${name}_do`);
    return [title, text];
  }));
  watch();
  document.addEventListener('language', () => { if (latest) show(latest); });
}

async function watch() {
  for (;;) {
    if (!document.hidden) {
      try {
        latest = await api.memory();
        onReached();
        samples.push({ at: Date.now(), bytes: latest.process_bytes });
        show(latest);
      } catch (problem) {
        if (problem.code === 'unreachable' || problem.status >= 500) onLost();
      }
    }
    await new Promise((next) => setTimeout(next, 1000));
  }
}

/** Whether the machine has less memory left than the work may still take. */
const isLow = (memory) => memory.machine_available_bytes < (memory.planned_bytes ?? memory.budget_bytes) - memory.process_bytes;

function show(memory) {
  const low = isLow(memory);
  const pill = byId('memory-open');
  pill.dataset.mode = low ? 'low' : memory.mode;
  say(byId('memory-pill'), memory.mode === 'normal' && !low ? 'memory.pill' : 'memory.pill_low', { value: memory.process_bytes, of: memory.budget_bytes });
  if (!byId('memory-dialog').open) return;
  drawChart(memory);
  say(byId('memory-mode'), `mode.${memory.mode}`);
  say(byId('memory-cost'), `mode.cost.${memory.mode}`);
  const warning = byId('memory-low');
  warning.hidden = !low;
  if (low) say(warning, 'memory.low', { available: memory.machine_available_bytes, wanted: (memory.planned_bytes ?? memory.budget_bytes) - memory.process_bytes });
  showFigures(memory);
  const messages = byId('memory-messages');
  messages.replaceChildren(...(memory.messages ?? []).map((message) => {
    const line = make('li');
    sayAsIs(line, message);  // already in the page's language
    return line;
  }));
}

function showFigures(memory) {
  const used = memory.machine_total_bytes - memory.machine_available_bytes;
  const rows = [
    ['process', bytes(memory.process_bytes)],
    ['planned', memory.planned_bytes ? bytes(memory.planned_bytes) : '–'],
    ['budget', bytes(memory.budget_bytes)],
    ['machine_total', bytes(memory.machine_total_bytes)],
    ['machine', bytes(memory.machine_available_bytes)],
    ['machine_used', word('memory.used', { used, percent: Math.round((1000 * used) / memory.machine_total_bytes) / 10 })],
  ];
  if (memory.gpu) rows.push(['gpu', word('memory.gpu.line', memory.gpu)]);
  const list = byId('figures');
  if (list.children.length !== rows.length) {
    list.replaceChildren(...rows.map(([name]) => {
      const title = make('dt');
      say(title, `memory.${name}`);
      return make('div', { class: `figure ${name}` }, title, make('dd'));
    }));
  }
  rows.forEach(([, text], place) => {
    const cell = list.children[place].lastChild;
    if (cell.textContent !== text) cell.textContent = text;
  });
}

function drawChart(memory) {
  const now = Date.now();
  while (samples.length > 2 && samples[1].at < now - kSeconds * 1000) samples.shift();
  const ceiling = 1.12 * Math.max(memory.budget_bytes ?? 0, memory.planned_bytes ?? 0, ...samples.map((sample) => sample.bytes), 1);
  const x = (at) => (kWidth * (1 - (now - at) / (kSeconds * 1000))).toFixed(1);
  const y = (value) => (kHeight * (1 - value / ceiling)).toFixed(1);
  const points = samples.map((sample) => `${x(sample.at)} ${y(sample.bytes)}`);
  const line = `M${points.join('L')}`;
  byId('chart-line').setAttribute('d', points.length > 1 ? line : '');
  byId('chart-area').setAttribute('d', points.length > 1 ? `${line}L${kWidth} ${kHeight}L${x(samples[0].at)} ${kHeight}Z` : '');
  const level = (value) => (value ? `M0 ${y(value)}H${kWidth}` : '');
  byId('chart-budget').setAttribute('d', level(memory.budget_bytes));
  byId('chart-planned').setAttribute('d', level(memory.planned_bytes));
  byId('chart-title').textContent = word('memory.chart', {
    process: memory.process_bytes, budget: memory.budget_bytes, peak: memory.peak_bytes,
  });
}
