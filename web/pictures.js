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
  return jpegOf(canvas);
}

/** Draws a square around a face, `margin` times as wide as it. `source` shows the photo, whose faces are in pixels of `frame`. */
export function drawFace(canvas, { source, frame, face }, margin = 1) {
  const kSide = 96;
  const scale = source.width / frame.width;
  const [left, top, right, bottom] = face.box.map((edge) => edge * scale);
  const side = Math.min(margin * Math.max(right - left, bottom - top), source.width, source.height);
  const start = (middle, whole) => Math.max(0, Math.min(whole - side, middle - side / 2));
  canvas.width = canvas.height = kSide;
  canvas.getContext('2d').drawImage(source, start((left + right) / 2, source.width), start((top + bottom) / 2, source.height), side, side, 0, 0, kSide, kSide);
}

/** A photo in which a face is the largest: the larger ones, which precede it, are covered. */
export async function withOnlyFace(file, frame, faces, face) {
  const larger = faces.slice(0, faces.indexOf(face));
  if (larger.length === 0) return file;
  const bitmap = await decode(file);
  const canvas = document.createElement('canvas');
  draw(canvas, bitmap, kLongestSide);
  bitmap.close();
  const scale = canvas.width / frame.width;
  const pen = canvas.getContext('2d');
  pen.fillStyle = '#808080';
  for (const { box: [left, top, right, bottom] } of larger) pen.fillRect(left * scale, top * scale, (right - left) * scale, (bottom - top) * scale);
  return jpegOf(canvas);
}

async function jpegOf(canvas) {
  const jpeg = await new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.92));
  return jpeg && new File([jpeg], 'photo.jpg', { type: 'image/jpeg' });
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
