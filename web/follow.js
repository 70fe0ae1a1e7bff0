// Follows one job at a time by its events, through broken connections and restarts of the service.
import * as api from './api.js';
import { pause } from './dom.js';

let current = null;  // AbortController of the job that is followed
let currentId = null;

export const followedId = () => currentId;

export function stopFollowing() {
  current?.abort();
  current = currentId = null;
}

/**
 * Follows a job to its end. Calls onJob(job), onPreview(preview), onEnd(job), onGone() where there is no such job any
 * more, and onBroken() each time the connection is lost. Following another one ends this.
 */
export async function follow(id, { onJob, onPreview, onEnd, onGone, onBroken }) {
  stopFollowing();
  const mine = current = new AbortController();
  currentId = id;
  const still = () => !mine.signal.aborted;
  const done = (call, value) => {
    if (!still()) return;
    current = currentId = null;
    call(value);
  };
  for (let tries = 0; still(); ++tries) {
    try {
      const ended = await api.jobEvents(id, (name, data) => {
        if (!still()) return;
        tries = 0;
        if (name === 'job') onJob(data);
        else if (name === 'preview') onPreview(data);
        else if (name === 'end') done(onEnd, data);
      }, mine.signal);
      if (ended) return;
    } catch (problem) {
      if (!still()) return;
      if (problem.status === 404) return done(onGone);
    }
    if (still()) onBroken();
    await pause(Math.min(4000, 300 * 1.6 ** tries));
  }
}
