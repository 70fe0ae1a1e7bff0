// "Are you sure?" before actions that cannot be undone.
import { byId } from './dom.js';
import { say } from './words.js';

/** Asks the question; resolves to true for yes. */
export function sure(question, hint, values) {
  const dialog = byId('sure-dialog');
  say(byId('sure-heading'), question, values);
  say(byId('sure-text'), hint, values);
  return new Promise((answer) => {
    byId('sure-yes').onclick = () => dialog.close('yes');
    byId('sure-no').onclick = () => dialog.close('no');
    dialog.onclose = () => answer(dialog.returnValue === 'yes');
    dialog.returnValue = '';
    dialog.showModal();
    byId('sure-no').focus();
  });
}
