// Equalises photos away from the page, so that nothing on it waits: a photo's address in, {url, picture} out.

import { equalise } from "./equalise.js";

const LARGE = 24e6; // pixels: above it half the sides are enough, and a quarter of the memory

async function pixelsOf(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  const photo = await createImageBitmap(await answer.blob());
  const part = photo.width * photo.height > LARGE ? 0.5 : 1;
  const canvas = new OffscreenCanvas(Math.round(photo.width * part), Math.round(photo.height * part));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, 0, 0, canvas.width, canvas.height);
  photo.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** The pixels as a picture that a browser shows: a BMP, which takes no time to write, with red first and the top row first. */
function pictureOf(rgba, width, height) {
  const head = new DataView(new ArrayBuffer(66));
  const put = (at, ...numbers) => numbers.forEach((number, index) => head.setInt32(at + 4 * index, number, true));
  head.setUint16(0, 0x4d42, true); // "BM"
  put(2, 66 + rgba.length, 0, 66, 40, width, -height, (32 << 16) | 1, 3, rgba.length, 0, 0, 0, 0, 0xff, 0xff00, 0xff0000);
  return new Blob([head, rgba], { type: "image/bmp" });
}

addEventListener("message", async ({ data: url }) => {
  try {
    const { data, width, height } = await pixelsOf(url);
    postMessage({ url, picture: pictureOf(equalise(data, width, height), width, height) });
  } catch {
    postMessage({ url }); // no picture: the page says so
  }
});
