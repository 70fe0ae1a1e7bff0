// A picture at full size, in a dialog: the arrow keys go to the others of its series, a click to its own size.
import { byId } from './dom.js';
import { label } from './words.js';

let images = [];
let at = 0;

export function startZoom() {
  const dialog = byId('zoom-dialog');
  byId('zoom-close').onclick = () => dialog.close();
  byId('zoom-before').onclick = () => go(-1);
  byId('zoom-after').onclick = () => go(1);
  byId('zoom-size').onclick = byId('zoom-picture').onclick = () => fit(byId('zoom-view').classList.contains('actual'));
  dialog.addEventListener('keydown', (event) => {
    if (byId('zoom-view').classList.contains('actual')) return;  // the arrows scroll
    if (event.key === 'ArrowLeft') go(-1);
    else if (event.key === 'ArrowRight') go(1);
  });
}

export function zoom(list, place) {
  [images, at] = [list, place];
  draw();
  byId('zoom-dialog').showModal();
  byId('zoom-close').focus();
}

function fit(wanted) {
  byId('zoom-view').classList.toggle('actual', !wanted);
  byId('zoom-size').setAttribute('aria-pressed', String(!wanted));
}

function go(by) {
  at = (at + by + images.length) % images.length;
  draw();
}

function draw() {
  const picture = byId('zoom-picture');
  picture.src = images[at].url;
  picture.width = images[at].width;
  picture.height = images[at].height;
  label(picture, 'stage.picture_of', { place: at + 1, of: images.length });
  picture.setAttribute('role', 'img');
  fit(true);
  for (const id of ['zoom-before', 'zoom-after']) byId(id).hidden = images.length < 2;
}
