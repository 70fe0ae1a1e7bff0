// Photos in the browser: decoding, drawing, and converting them for upload.
//
// Pictures are drawn from bytes onto canvases: only URLs of the service are ever loaded.

const kUnderstood = ['image/jpeg', 'image/png', 'image/webp'];  // what the service reads
const kLongestSide = 4096;                                      // of a photo that has to be re-encoded

/** Decodes a picture with its EXIF orientation applied; null if the browser cannot. */
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

/** The file for upload: itself, or a JPEG if the service would refuse its format or size. */
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

/** The first picture among the dropped or pasted files, or null. */
export const pictureIn = (transfer) => [...(transfer?.files ?? [])].find((file) => file.type.startsWith('image/')) ?? null;
