// Contrast limited adaptive histogram equalisation (CLAHE) of a photo's luminance, without a page: Pizer et al. 1987,
// with the clipping and the bilinear step between tiles of Zuiderveld, Graphics Gems IV (1994), VIII.5.

const LEVELS = 256;

/** Rec. 601 luma in whole levels; the weights are those of JPEG, in 1/65536. */
const luma = (rgba, at) => (19595 * rgba[at] + 38470 * rgba[at + 1] + 7471 * rgba[at + 2] + 32768) >> 16;

// What is clipped is given to all levels alike, and the rest of it to levels that lie evenly apart: a flat photo stays
// as bright as it is.
function clipped(counts, limit) {
  let excess = 0;
  for (let level = 0; level < LEVELS; level++) {
    excess += Math.max(0, counts[level] - limit);
    counts[level] = Math.min(limit, counts[level]);
  }
  const given = (levels) => Math.floor((levels * excess) / LEVELS);
  for (let level = 0; level < LEVELS; level++) counts[level] += given(level + 1) - given(level);
}

/** A tile's new level for each old one, written to `levels`: its clipped histogram, summed up. */
function curve(levels, rgba, width, [left, right], [top, bottom], clip) {
  const counts = new Uint32Array(LEVELS);
  for (let y = top; y < bottom; y++) {
    for (let at = 4 * (y * width + left), end = 4 * (y * width + right); at < end; at += 4) counts[luma(rgba, at)]++;
  }
  const pixels = (right - left) * (bottom - top);
  clipped(counts, Math.max(1, Math.floor((clip * pixels) / LEVELS)));
  let sum = 0;
  for (let level = 0; level < LEVELS; level++) levels[level] = ((sum += counts[level]) * (LEVELS - 1)) / pixels;
}

const edges = (length, tiles) => Array.from({ length: tiles + 1 }, (_, tile) => Math.floor((tile * length) / tiles));

/** For each place along a side: the tiles whose middles it lies between, and how far it is from the first. */
function between(length, tiles) {
  const first = new Uint16Array(length);
  const second = new Uint16Array(length);
  const share = new Float32Array(length);
  for (let place = 0; place < length; place++) {
    const at = Math.min(tiles - 1, Math.max(0, ((place + 0.5) * tiles) / length - 0.5));
    first[place] = Math.floor(at);
    second[place] = Math.min(tiles - 1, first[place] + 1);
    share[place] = at - first[place];
  }
  return { first, second, share };
}

/** The photo with its luminance equalised and its colour differences kept. `clip`: the steepest slope of a curve. */
export function equalise(rgba, width, height, { tiles = 8, clip = 2.5 } = {}) {
  const columns = edges(width, tiles);
  const rows = edges(height, tiles);
  const curves = new Float32Array(tiles * tiles * LEVELS);
  for (let tile = 0; tile < tiles * tiles; tile++) {
    const [column, row] = [tile % tiles, Math.floor(tile / tiles)];
    const levels = curves.subarray(tile * LEVELS, (tile + 1) * LEVELS);
    curve(levels, rgba, width, columns.slice(column, column + 2), rows.slice(row, row + 2), clip);
  }
  const across = between(width, tiles);
  const down = between(height, tiles);
  const result = new Uint8ClampedArray(rgba.length);
  for (let y = 0, at = 0; y < height; y++) {
    const upper = down.first[y] * tiles;
    const lower = down.second[y] * tiles;
    for (let x = 0; x < width; x++, at += 4) {
      const old = luma(rgba, at);
      const left = across.first[x];
      const right = across.second[x];
      const share = across.share[x];
      const above = curves[(upper + left) * LEVELS + old] * (1 - share) + curves[(upper + right) * LEVELS + old] * share;
      const below = curves[(lower + left) * LEVELS + old] * (1 - share) + curves[(lower + right) * LEVELS + old] * share;
      const gain = above + (below - above) * down.share[y] - old;
      result[at] = rgba[at] + gain;
      result[at + 1] = rgba[at + 1] + gain;
      result[at + 2] = rgba[at + 2] + gain;
      result[at + 3] = rgba[at + 3];
    }
  }
  return result;
}
