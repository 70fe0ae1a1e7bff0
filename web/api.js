// Requests to the service: JSON in and out, the event stream of a job, and the key.
import { currentLanguage } from './words.js';

/** Why a request failed. `code` is the service's, or `unreachable`; `field` is the setting at fault, if known. */
export class Problem extends Error {
  constructor(status, code, message, field = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = field;
  }
}

let askForKey = null;  // () => Promise, resolved once a key was accepted
let keyAsked = null;

/** Sets the function that asks the user for the key when the service requires one. */
export function onKeyWanted(ask) {
  askForKey = ask;
}

// Seeds go to 2^63; a JavaScript number holds 53 bits. The page keeps them as text.
const readJson = (text) => JSON.parse(text.replace(/("seed":\s*)(\d+)/g, '$1"$2"'));
export const writeSettings = (settings) => JSON.stringify(settings).replace(/"seed":"(\d+)"/, '"seed":$1');

async function problemOf(answer) {
  try {
    const { code, message, param } = (await answer.json()).error;
    return new Problem(answer.status, code, message, param);
  } catch {
    // From a proxy, not from the service: Semblance's log has no entry for it.
    const code = answer.status === 413 ? 'too_large' : answer.status >= 500 ? 'unreachable' : 'refused';
    return new Problem(answer.status, code, answer.statusText);
  }
}

async function send(path, options) {
  const headers = { 'Accept-Language': currentLanguage(), ...options.headers };
  try {
    return await fetch(path, { ...options, headers, cache: 'no-store' });
  } catch (reason) {
    if (reason.name === 'AbortError') throw reason;
    throw new Problem(0, 'unreachable', String(reason));
  }
}

/** Like fetch(), but asks for the key if one is required, and throws a Problem if the answer is an error. */
export async function request(path, options = {}) {
  for (;;) {
    const answer = await send(path, options);
    if (answer.ok) return answer;
    if (answer.status !== 401 || !askForKey || options.keyless) throw await problemOf(answer);
    keyAsked ??= askForKey().finally(() => { keyAsked = null; });
    await keyAsked;
  }
}

const json = async (path, options) => readJson(await (await request(path, options)).text());
const asJson = (body) => ({ method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
const form = (fields) => {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || value === undefined) continue;
    for (const each of [value].flat()) {
      if (each instanceof Blob) body.append(name, each, each.name ?? name);
      else body.append(name, String(each));
    }
  }
  return { method: 'POST', body };
};
const jobPath = (id) => `api/jobs/${encodeURIComponent(id)}`;

/** Needs no key. */
export const parameters = () => json('web/parameters.json');
export const info = () => json('api/info');
export const memory = () => json('api/memory');
export const plan = (settings, signal) => json('api/plan', { ...asJson(writeSettings(settings)), signal });
export const faces = (photo, signal) => json('api/faces', { ...form({ photo }), signal });
export const models = () => json('api/models');
export const pullModels = () => json('api/models/pull', asJson(JSON.stringify({ accept_licences: true })));
export const cancelModels = () => json('api/models/cancel', { method: 'POST' });
export const useModels = (name) => json('api/models/use', asJson(JSON.stringify({ name })));
export const recipe = (picture) => json('api/recipe', form({ picture }));
export const keptPhoto = async (id) => (await request(`${jobPath(id)}/photo`)).blob();
export const identities = async () => (await json('api/identities')).identities;
export const saveIdentity = (photo, face, name) => json('api/identities', form({ photo, face, name }));
export const deleteIdentity = (id) => request(`api/identities/${encodeURIComponent(id)}`, { method: 'DELETE' });
/** The newest of them. */
export const newestJobs = async (limit) => (await json(`api/jobs?limit=${limit}`)).jobs;
/** All that are kept. */
export async function jobs() {
  const kPage = 200;
  const all = [];
  for (let before = ''; ;) {
    const { jobs: page } = await json(`api/jobs?limit=${kPage}${before && `&before=${before}`}`);
    all.push(...page);
    if (page.length < kPage) return all;
    before = page.at(-1).id;
  }
}
export const job = (id) => json(jobPath(id));
export const startJob = (fields) => json('api/jobs', form({ ...fields, settings: writeSettings(fields.settings) }));
export const cancelJob = (id) => json(`${jobPath(id)}/cancel`, { method: 'POST' });
export const deleteJob = (id) => request(jobPath(id), { method: 'DELETE' });
export const logOut = () => request('api/logout', { method: 'POST', keyless: true });
export const logIn = (key) => request('api/login', { ...asJson(JSON.stringify({ key })), keyless: true });

/**
 * Calls onEvent(name, data) for each event of a job. Returns true at the end of the job, false if the stream broke off
 * before; throws a Problem if the service refuses.
 */
export async function jobEvents(id, onEvent, signal) {
  const answer = await request(`${jobPath(id)}/events`, { headers: { Accept: 'text/event-stream' }, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = '';
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch {
      return false;
    }
    if (piece.done) return false;
    pending += piece.value.replaceAll('\r\n', '\n');
    for (let end = pending.indexOf('\n\n'); end >= 0; end = pending.indexOf('\n\n')) {
      const { name, data } = eventOf(pending.slice(0, end));
      pending = pending.slice(end + 2);
      if (!data) continue;
      onEvent(name, readJson(data));
      if (name === 'end') return true;
    }
  }
}

function eventOf(text) {
  let name = 'message';
  const data = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('event:')) name = line.slice(6).trim();
    else if (line.startsWith('data:')) data.push(line.slice(5).trimStart());
  }
  return { name, data: data.join('\n') };
}
