// Equalises photos away from the page, so that nothing on it waits: a photo's address in, {url, picture} out.

import { equalise } from "./equalise.js";

const LARGE = 24e6; // pixels: above it half the sides are enough, and a quarter of the memory

async function pictureOf(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  const photo = await createImageBitmap(await answer.blob());
  const part = photo.width * photo.height > LARGE ? 0.5 : 1;
  const canvas = new OffscreenCanvas(Math.round(photo.width * part), Math.round(photo.height * part));
  const { width, height } = canvas;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, 0, 0, width, height);
  photo.close();
  const pixels = context.getImageData(0, 0, width, height);
  context.putImageData(new ImageData(equalise(pixels.data, width, height), width, height), 0, 0);
  return canvas.transferToImageBitmap();
}

addEventListener("message", async ({ data: url }) => {
  try {
    const picture = await pictureOf(url);
    postMessage({ url, picture }, [picture]);
  } catch {
    postMessage({ url }); // no picture: the page says so
  }
});
