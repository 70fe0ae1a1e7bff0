// Photos in the browser: reading them, drawing them, and making them fit for sending.
//
// Pictures are drawn from bytes onto canvases: no URL but the service's own is ever loaded.

const kUnderstood = ['image/jpeg', 'image/png', 'image/webp'];  // what the service reads
const kLongestSide = 4096;                                      // of a photo that has to be written anew

/** Decodes a picture, turned the way the camera was held; null where the browser cannot. */
export async function decode(blob) {
  try {
    return await createImageBitmap(blob);
  } catch {
    return null;
  }
}

/** Draws a picture into a canvas, at most `longest` pixels on its longer side. */
export function draw(canvas, bitmap, longest = 1600) {
  const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const pen = canvas.getContext('2d');
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
}

/** The file as the service takes it: itself, or a JPEG where the format or its size would be refused. */
export async function sendable(file, bitmap, limitBytes) {
  if (kUnderstood.includes(file.type) && file.size <= limitBytes) return file;
  const canvas = document.createElement('canvas');
  draw(canvas, bitmap, kLongestSide);
  const jpeg = await new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.92));
  if (!jpeg) return null;
  return new File([jpeg], 'photo.jpg', { type: 'image/jpeg' });
}

/** The bytes of a data: URL. */
export function bytesOfDataUrl(url) {
  const comma = url.indexOf(',');
  const type = url.slice(5, url.indexOf(';'));
  const text = atob(url.slice(comma + 1));
  return new Blob([Uint8Array.from(text, (letter) => letter.charCodeAt(0))], { type });
}

/** The picture among what was dropped or pasted, or null. */
export const pictureIn = (transfer) => [...(transfer?.files ?? [])].find((file) => file.type.startsWith('image/')) ?? null;
