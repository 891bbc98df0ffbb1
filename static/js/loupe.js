// The loupe: a round look at the place under the pointer, twice as large as the photo stands, or one to one if that is
// larger. Arrows move it while it is on; Escape puts it away.

import { boxOf, stage } from "./frames.js";
import { view } from "./stage.js";
import { shareAt } from "./zoom.js";

const SIDE = 260; // CSS pixels, as in look.css
const LARGER = 2;
const STEP = 24;
const ABOVE = 170; // a finger covers what it points at: the loupe stands above it
const PIXELS_SHOW = 3; // as on the stage
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
let on = false;
let at = [0, 0]; // CSS pixels from the middle of the stage
let lift = 0;
let due = 0;

const loupe = () => document.querySelector("[data-loupe]");

/** Not over a photo that is covered because its time is over. */
const works = () => (on && !stage().closest("[data-covered], [data-empty]") && view()) || null;

/** The best picture of the photo that is here: equalised, whole, or its preview. */
function picture() {
  const layers = [...stage().querySelectorAll("[data-view]:not([hidden]) [data-layers] > img:not([data-over])")];
  return layers.findLast((each) => each.complete && each.naturalWidth);
}

/** CSS pixels for a pixel of the photo. Where the line's limit lets nothing be larger, the loupe shows what there is. */
function scaleOf({ frame, look, own, most }) {
  return frame.fit * Math.min(most, Math.max(LARGER * look.zoom, own));
}

function paint() {
  due = 0;
  const now = works();
  const source = now && picture();
  loupe().hidden = !source;
  if (!source) return;
  const { box, photo } = now.frame;
  const [left, top] = [box.left + box.width / 2 + at[0], box.top + box.height / 2 + at[1] - lift];
  loupe().style.transform = `translate(${Math.round(left - SIDE / 2)}px, ${Math.round(top - SIDE / 2)}px)`;
  const scale = scaleOf(now);
  const [u, v] = shareAt(now.frame, now.look, ...at);
  draw(source, u, v, scale, source.naturalWidth / photo.width);
}

/** `density`: pixels of the picture at hand for one of the photo. */
function draw(source, u, v, scale, density) {
  const canvas = loupe().querySelector("canvas");
  const size = Math.round(SIDE * devicePixelRatio);
  if (canvas.width !== size) Object.assign(canvas, { width: size, height: size });
  const context = canvas.getContext("2d", { alpha: false });
  context.imageSmoothingEnabled = scale * devicePixelRatio < PIXELS_SHOW;
  context.fillRect(0, 0, size, size);
  const side = (SIDE / scale) * density;
  const { naturalWidth: width, naturalHeight: height } = source;
  context.drawImage(source, u * width - side / 2, v * height - side / 2, side, side, 0, 0, size, size);
}

function redraw() {
  if (on) due ||= requestAnimationFrame(paint);
}

function toggle(to) {
  on = to;
  document.querySelector("[data-action=loupe]")?.setAttribute("aria-pressed", String(on));
  paint();
  const scale = on && view() && Math.round(scaleOf(view()) * devicePixelRatio * 100);
  const detail = scale ? interpolate(gettext("loupe %s"), [`${scale} %`]) : gettext("no loupe");
  document.dispatchEvent(new CustomEvent("say", { detail }));
}

function moveTo(x, y) {
  const { width, height } = view().frame.box;
  at = [Math.min(width / 2, Math.max(-width / 2, x)), Math.min(height / 2, Math.max(-height / 2, y))];
  redraw();
}

document.addEventListener("pointermove", (event) => {
  const pressed = event.pointerType === "touch";
  if (!view() || boxOf(event) !== stage()) return;
  const { box } = view().frame;
  lift = pressed ? ABOVE : 0;
  moveTo(event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
});

// The arrows are the loupe's before they are answers, and the marks' before that.
document.addEventListener(
  "keydown",
  (event) => {
    const elsewhere = event.defaultPrevented || event.ctrlKey || event.metaKey || event.target.matches("input, textarea");
    if (!works() || elsewhere || stage().classList.contains("marking")) return;
    const way = !event.shiftKey && WAYS[event.key];
    if (event.key === "Escape") toggle(false);
    else if (way) moveTo(at[0] + way[0] * STEP, at[1] + way[1] * STEP);
    else return;
    lift = 0;
    event.preventDefault();
  },
  { capture: true },
);

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-action=loupe]")) toggle(!on);
});
for (const change of ["photo:drawn", "part:shown", "part:none"]) document.addEventListener(change, redraw);
