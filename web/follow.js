// Follows one job at a time through its events, across lost connections and restarts of the service.
import * as api from './api.js';
import { pause } from './dom.js';

let current = null;  // AbortController of the followed job
let currentId = null;

export const followedId = () => currentId;

export function stopFollowing() {
  current?.abort();
  current = currentId = null;
}

/**
 * Follows a job to its end. Calls onJob(job), onPreview(preview), onEnd(job), onGone() if the job no longer exists,
 * and onBroken() each time the connection is lost. Following another job stops this one.
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
