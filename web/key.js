// Asks for the service's key, if it has one, and logs out.
import * as api from './api.js';
import { byId } from './dom.js';
import { clearProblem, showProblem } from './problems.js';

/** Shows the button if the service has a key. */
export function showLogOut(hasKey) {
  const button = byId('log-out');
  button.hidden = !hasKey;
  button.onclick = async () => {
    button.disabled = true;
    try {
      await api.logOut();
      sessionStorage.clear();  // including an unfinished prompt
      location.reload();
    } catch (problem) {
      showProblem('form', problem);
    } finally {
      button.disabled = false;
    }
  };
}

/** Resolves once the service has accepted a key. The dialog stays until then. */
export function askForKey() {
  const dialog = byId('key-dialog');
  byId('key').value = '';
  clearProblem('key');
  dialog.oncancel = (event) => event.preventDefault();
  if (!dialog.open) dialog.showModal();
  return new Promise((accepted) => {
    byId('key-form').onsubmit = async (event) => {
      event.preventDefault();
      try {
        await api.logIn(byId('key').value);
        dialog.close();
        accepted();
      } catch (problem) {
        if (problem.status === 401) showProblem('key', 'key.wrong');
        else showProblem('key', problem);
        byId('key').select();
      }
    };
  });
}
