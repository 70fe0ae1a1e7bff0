// The memory panel: memory in use, budget and planned peak over the last two minutes.
import * as api from './api.js';
import { byId, make } from './dom.js';
import { bytes, say, word } from './words.js';

const kSeconds = 120;
const kWidth = 600;
const kHeight = 120;
const samples = [];  // {at, bytes}
let latest = null;
let onReached = () => {};
let onLost = () => {};

/** Polls once a second while the page is visible; this also detects when the service goes away or returns. */
export function startMemory(options) {
  ({ onReached, onLost } = options);
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

function show(memory) {
  drawChart(memory);
  const mode = byId('memory-mode');
  say(mode, `mode.${memory.mode}`);
  mode.dataset.mode = memory.mode;
  const figures = [
    ['process', memory.process_bytes], ['planned', memory.planned_bytes], ['budget', memory.budget_bytes],
    ['machine', memory.machine_available_bytes, memory.machine_total_bytes],
    ['gpu', memory.gpu?.free_bytes, memory.gpu?.total_bytes],
  ];
  const list = byId('figures');
  if (list.children.length === 0) {
    list.append(...figures.map(([name]) => {
      const title = make('dt');
      say(title, `memory.${name}`);
      return make('div', { class: `figure ${name}` }, title, make('dd'));
    }));
  }
  figures.forEach(([name, value, of], place) => {
    const text = value === null || value === undefined ? '–' : of ? word('memory.of', { value, of }) : bytes(value);
    const cell = list.children[place].lastChild;
    if (cell.textContent !== text) cell.textContent = text;
  });
  const card = list.querySelector('.gpu');
  card.hidden = !memory.gpu;
  card.title = memory.gpu ? word('memory.gpu.more', memory.gpu) : '';
  const messages = byId('memory-messages');
  const text = (memory.messages ?? []).join('\n');
  if (messages.dataset.text !== text) {
    messages.dataset.text = text;
    messages.replaceChildren(...(memory.messages ?? []).map((message) => make('li', {}, message)));
  }
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
