// The page's texts in the user's language: web/en.json, web/es.json, and those of addWord().
//
// A text may contain {name} or {name:kind}; kind is the format of the value: bytes, duration, number, when, mode.
// Counted texts have two entries, key.one and key.other, chosen by the value `count`.
// An element keeps its text's key and values (data-word and data-values), so that translate() can switch the page to
// another language.
import { recall, remember } from './dom.js';

const kLanguages = ['en', 'es'];
let language = 'en';
let table = {};
const added = { en: {}, es: {} };

export const currentLanguage = () => language;

/** The language chosen earlier, or the first of the browser's languages that is supported. */
export function preferredLanguage() {
  const chosen = recall(localStorage, 'language');
  if (kLanguages.includes(chosen)) return chosen;
  const known = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => kLanguages.includes(tag));
  return known ?? 'en';
}

/** Adds a text of the service in all languages. */
export function addWord(key, texts) {
  for (const tag of kLanguages) added[tag][key] = texts[tag];
  table[key] = texts[language];
}

/** Loads a language and switches the whole page to it. */
export async function speak(wanted, { chosen = false } = {}) {
  const answer = await fetch(`web/${wanted}.json`, { cache: 'no-cache' });
  if (!answer.ok) throw new Error(`web/${wanted}.json: ${answer.status}`);
  table = { ...await answer.json(), ...added[wanted] };
  language = wanted;
  if (chosen) remember(localStorage, 'language', wanted);
  document.documentElement.lang = wanted;
  translate(document);
  document.dispatchEvent(new CustomEvent('language', { detail: wanted }));
}

const number = (value, digits = 2) => new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);

export function bytes(value) {
  const mebibytes = value / 2 ** 20;
  if (mebibytes >= 1024) return `${number(mebibytes / 1024, 1)} GiB`;
  return `${number(mebibytes, mebibytes < 10 ? 1 : 0)} MiB`;
}

const unit = (value, name, display) =>
  new Intl.NumberFormat(language, { style: 'unit', unit: name, unitDisplay: display, maximumFractionDigits: value < 10 && name === 'hour' ? 1 : 0 })
    .format(value);

export function duration(seconds) {
  if (seconds < 90) return unit(Math.max(1, Math.round(seconds)), 'second', 'long');
  if (seconds < 90 * 60) return unit(Math.round(seconds / 60), 'minute', 'long');
  return unit(seconds / 3600, 'hour', 'long');
}

export const when = (text) =>
  new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(text));

const mode = (name) => table[`mode.${name}`] ?? name;

const kKinds = { bytes, duration, number, when, mode };

/** The text of a key with its values filled in; the key itself if there is none. */
export function word(key, values = {}) {
  let text = table[key];
  if (text === undefined && values.count !== undefined) {
    text = table[`${key}.${new Intl.PluralRules(language).select(values.count)}`] ?? table[`${key}.other`];
  }
  if (text === undefined) return key;
  return text.replace(/\{(\w+)(?::(\w+))?\}/g, (all, name, kind) => {
    const value = values[name];
    if (value === undefined || value === null) return '';
    return kind ? kKinds[kind](value) : String(value);
  });
}

export const hasWord = (key) => table[key] !== undefined;

/** A text that stays the same is not set again: that would cost a layout, and be read aloud once more. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an element's text, now and after a change of language. */
export function say(element, key, values) {
  element.dataset.word = key;
  if (values) element.dataset.values = JSON.stringify(values);
  else delete element.dataset.values;
  setText(element, word(key, values));
}

/** The same for an element's aria-label. */
export function label(element, key, values) {
  element.dataset.wordLabel = key;
  if (values) element.dataset.labelValues = JSON.stringify(values);
  element.setAttribute('aria-label', word(key, values));
}

/** Sets a text that is not translated. */
export function sayAsIs(element, text) {
  delete element.dataset.word;
  delete element.dataset.values;
  setText(element, text);
}

const values = (text) => (text ? JSON.parse(text) : {});

export function translate(root) {
  for (const element of root.querySelectorAll('[data-word]')) {
    setText(element, word(element.dataset.word, values(element.dataset.values)));
  }
  for (const element of root.querySelectorAll('[data-word-label]')) {
    element.setAttribute('aria-label', word(element.dataset.wordLabel, values(element.dataset.labelValues)));
  }
  for (const element of root.querySelectorAll('[data-word-placeholder]')) {
    element.placeholder = word(element.dataset.wordPlaceholder);
  }
}
