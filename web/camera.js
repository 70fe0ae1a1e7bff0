// A photo from the camera: a small dialog with the live picture, or the phone's own camera app.
import { byId } from './dom.js';
import { clearProblem, showProblem } from './problems.js';

let stream = null;

/** Shows the camera and passes a shot to `take`; calls `otherwise` if the page cannot use the camera itself. */
export async function openCamera(take, otherwise) {
  // Over plain http from another machine there is no camera access; on a phone the file field offers the camera.
  if (!navigator.mediaDevices?.getUserMedia || matchMedia('(pointer: coarse)').matches) return otherwise();
  const dialog = byId('camera-dialog');
  const video = byId('camera-video');
  clearProblem('camera');
  byId('camera-shoot').disabled = true;
  dialog.onclose = close;
  byId('camera-close').onclick = () => dialog.close();
  byId('camera-shoot').onclick = async () => {
    const shot = await shoot(video);
    dialog.close();
    if (shot) take(shot);
  };
  dialog.showModal();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'user', width: { ideal: 1920 }, height: { ideal: 1440 } } });
    if (!dialog.open) return void close();
    video.srcObject = stream;
    byId('camera-shoot').disabled = false;
  } catch (reason) {
    showProblem('camera', reason.name === 'NotAllowedError' ? 'camera.refused' : 'camera.none');
  }
}

async function shoot(video) {
  if (!video.videoWidth) return null;
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  const jpeg = await new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.95));
  return jpeg && new File([jpeg], 'camera.jpg', { type: 'image/jpeg' });
}

function close() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  byId('camera-video').srcObject = null;
}
