// The arithmetic of the zoom, without a page. A look is {zoom, u, v}: zoom 1 fits the photo into its box, and (u, v) is
// the place of the photo, in shares of it, that lies in the middle of the box. So one look serves boxes of any size.

const CLOSEST = 16; // device pixels for a pixel of the photo: 1600 %

/** A box and the photo in it. When all of it is seen, its pixels take `fit` CSS pixels and its corner lies at (x, y). */
export function frameOf(box, photo) {
  const fit = Math.min(box.width / photo.width, box.height / photo.height);
  return { box, photo, fit, x: (box.width - photo.width * fit) / 2, y: (box.height - photo.height * fit) / 2 };
}

/** The smallest and the largest zoom, and the one at 1:1. `cap` is the line's limit in percent of own pixels, or 0: where
 *  it lies below what fits, the photo stands smaller than its box. */
export function limits({ fit }, cap, density) {
  const own = 1 / (fit * density);
  const most = cap ? own * Math.min(CLOSEST, cap / 100) : Math.max(1, own * CLOSEST);
  return { least: Math.min(1, own, most), most, own };
}

// A photo that is larger than its box covers it; one that is smaller lies in the middle.
function within(share, length, size) {
  const half = length / (2 * size);
  return half >= 0.5 ? 0.5 : Math.min(1 - half, Math.max(half, share));
}

/** The nearest look that leaves nothing of the box empty which the photo can fill. */
export function settled({ box, photo, fit }, { zoom, u, v }) {
  const size = fit * zoom;
  return { zoom, u: within(u, box.width, photo.width * size), v: within(v, box.height, photo.height * size) };
}

/** The share of the photo under a point of the box, given in CSS pixels from its middle. */
export function shareAt({ photo, fit }, { zoom, u, v }, x, y) {
  const size = fit * zoom;
  return [u + x / (photo.width * size), v + y / (photo.height * size)];
}

/** The look after zooming about a point of the box: what lies under it stays there. */
export function about(frame, look, zoom, x, y) {
  const [u, v] = shareAt(frame, look, x, y);
  const [du, dv] = shareAt(frame, { zoom, u: 0, v: 0 }, x, y);
  return settled(frame, { zoom, u: u - du, v: v - dv });
}

/** The look after the photo has moved by CSS pixels. */
export function moved(frame, look, dx, dy) {
  const [u, v] = shareAt(frame, look, -dx, -dy);
  return settled(frame, { zoom: look.zoom, u, v });
}

/** Where the photo's corner lies in the box: on a whole device pixel, since between two of them the photo blurs. */
export function corner({ box, photo, fit }, { zoom, u, v }, density) {
  const whole = (length) => Math.round(length * density) / density;
  return [whole(box.width / 2 - u * photo.width * fit * zoom), whole(box.height / 2 - v * photo.height * fit * zoom)];
}
