// Marks on the photo: boxes and points in shares of it, drawn by pointer or moved by keys, kept as JSON in the form's own
// field. A drag draws a box, a click a point; a chosen mark is dragged, and sized by its corner.

const SVG = "http://www.w3.org/2000/svg";
const SEVERITIES = ["minor", "major", "critical"];
const SMALLEST = 0.004; // a drag shorter than this is a click
const SIDE = 0.08; // of a box that Enter puts in the middle
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

let marks = [];
let chosen = -1;
let kind = "";
let drag = null;

const stage = () => document.querySelector("[data-stage]");
const view = () => document.querySelector("[data-view]:not([hidden])");
const canvas = () => view().querySelector("[data-marks]");
const marking = () => Boolean(stage()?.classList.contains("marking"));
const clamp = (value, most = 1) => Math.min(most, Math.max(0, value));
const round = (value) => Math.round(value * 1e5) / 1e5;
const button = (slug) => document.querySelector(`[data-kind="${CSS.escape(slug)}"]`);
const wordOf = (severity) => document.querySelector(`[data-severities] [value=${severity}]`).textContent;

// What the room asks before it takes an answer.

export const marked = () => ({
  rejecting: marks.some((mark) => button(mark.kind)?.dataset.rejects),
  contaminations: [...new Set(marks.filter((mark) => button(mark.kind)?.dataset.contamination).map((mark) => button(mark.kind).dataset.name))],
});
export function needsMark() {
  const needed = "boxRequired" in document.querySelector("[data-room-page]").dataset && !marked().rejecting;
  if (needed && !marking()) toggle(true);
  return needed;
}

// Drawing

function shape(tag, values) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
  return element;
}

/** One mark: a box, or for a point a cross whose size does not follow the zoom. */
function outline(photo, mark, name) {
  const { width, height } = photo.viewBox.baseVal;
  const [x, y, w, h] = mark.box;
  if (w || h) return shape("rect", { x: x * width, y: y * height, width: w * width, height: h * height, class: name });
  const [cx, cy, r] = [x * width, y * height, 0.012 * Math.max(width, height)];
  return shape("path", { d: `M${cx - r} ${cy}h${2 * r}M${cx} ${cy - r}v${2 * r}`, class: name });
}

function drawn(photo, mark) {
  const name = `${button(mark.kind)?.dataset.rejects ? "rejects" : "harmless"}${marks[chosen] === mark ? " chosen" : ""}`;
  const [x, y, w, h] = mark.box;
  const parts = [outline(photo, mark, `under${w || h ? "" : " point"}`), outline(photo, mark, name)];
  if (marks[chosen] === mark && (w || h)) {
    const { width, height } = photo.viewBox.baseVal;
    parts.push(shape("circle", { cx: (x + w) * width, cy: (y + h) * height, r: 0.006 * Math.max(width, height), class: "grip" }));
  }
  return parts;
}

function entry(mark, index) {
  const item = document.querySelector("template[data-mark-template]").content.firstElementChild.cloneNode(true);
  const one = item.querySelector("button");
  one.dataset.mark = index;
  one.setAttribute("aria-pressed", String(index === chosen));
  one.textContent = `${index + 1} ${button(mark.kind)?.dataset.name ?? mark.kind}, ${wordOf(mark.severity)}`;
  return item;
}

function draw() {
  for (const figure of document.querySelectorAll("[data-view]")) {
    const photo = figure.querySelector("[data-marks]");
    photo.replaceChildren(...marks.filter((mark) => mark.photo === Number(figure.dataset.photo)).flatMap((mark) => drawn(photo, mark)));
  }
  document.querySelector("[data-defects]").value = JSON.stringify(marks);
  document.querySelector("[data-severity]").textContent = wordOf(marks[chosen]?.severity ?? "minor");
  document.querySelector("[data-mark-list]").replaceChildren(...marks.map(entry));
  document.querySelector("[data-dirt-only]").hidden = marked().rejecting || !marked().contaminations.length;
  for (const one of document.querySelectorAll("[data-kind]")) {
    one.setAttribute("aria-pressed", String(one.dataset.kind === (marks[chosen]?.kind ?? kind)));
  }
}

// Changing

function toggle(on) {
  stage().classList.toggle("marking", on);
  document.querySelector("[data-kinds]").hidden = !on;
  document.querySelector("[data-action=mark]")?.setAttribute("aria-pressed", String(on));
  if (!on) chosen = -1;
  draw();
}

function choose(slug) {
  kind = slug;
  if (marks[chosen]) marks[chosen].kind = slug;
  draw();
}

function add(place) {
  marks.push({ photo: Number(view().dataset.photo), kind, severity: "minor", box: place.map(round) });
  chosen = marks.length - 1;
  draw();
}

function worsen() {
  const mark = marks[chosen] ?? marks.at(-1);
  if (!mark) return;
  chosen = marks.indexOf(mark);
  mark.severity = SEVERITIES[(SEVERITIES.indexOf(mark.severity) + 1) % SEVERITIES.length];
  draw();
}

function remove() {
  marks.splice(marks[chosen] ? chosen : marks.length - 1, 1);
  chosen = marks.length - 1;
  draw();
}

function shift(mark, [dx, dy], sizing) {
  const [x, y, w, h] = mark.box;
  mark.box = sizing
    ? [x, y, Math.max(SMALLEST, clamp(w + dx, 1 - x)), Math.max(SMALLEST, clamp(h + dy, 1 - y))]
    : [clamp(x + dx, 1 - w), clamp(y + dy, 1 - h), w, h];
  mark.box = mark.box.map(round);
  draw();
}

/** The next mark of the part, and the view that it stands on. */
function pickNext() {
  if (!marks.length) return;
  chosen = (chosen + 1) % marks.length;
  const on = document.querySelector(`[data-view][data-photo="${marks[chosen].photo}"]`);
  if (on?.hidden) document.querySelector(`[data-view-link="${on.dataset.view}"]`)?.click();
  draw();
}

// By pointer

/** The pointer as shares of the photo, whatever its zoom. */
function place(event) {
  const photo = canvas();
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(photo.getScreenCTM().inverse());
  return [clamp(at.x / photo.viewBox.baseVal.width), clamp(at.y / photo.viewBox.baseVal.height)];
}

/** The smallest mark under the place; a point is met within a finger's breadth. */
function under([x, y]) {
  const photo = Number(view().dataset.photo);
  const reach = 14 / canvas().getBoundingClientRect().width / Number(getComputedStyle(document.documentElement).getPropertyValue("--zoom") || 1);
  const hit = ({ photo: on, box: [a, b, w, h] }) => on === photo && x >= a - reach && x <= a + w + reach && y >= b - reach && y <= b + h + reach;
  return marks.filter(hit).sort((one, other) => one.box[2] * one.box[3] - other.box[2] * other.box[3])[0];
}

document.addEventListener("pointerdown", (event) => {
  if (!marking() || !event.target.closest("[data-stage]") || event.button) return;
  stage().setPointerCapture(event.pointerId);
  const start = place(event);
  const mark = marks[chosen];
  if (event.target.closest(".grip") && mark) drag = { start, last: start, mark, sizing: true };
  else if (mark && under(start) === mark) drag = { start, last: start, mark };
  else drag = { start, last: start };
});
document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const at = place(event);
  if (drag.mark) shift(drag.mark, [at[0] - drag.last[0], at[1] - drag.last[1]], drag.sizing);
  else {
    canvas().querySelector(".rough")?.remove();
    canvas().append(outline(canvas(), { box: between(drag.start, at) }, "rejects rough"));
  }
  drag.last = at;
});
document.addEventListener("pointerup", () => {
  if (!drag) return;
  const { start, last, mark } = drag;
  drag = null;
  const box = between(start, last);
  const click = Math.max(box[2], box[3]) < SMALLEST;
  if (mark && !click) return;
  const met = click ? under(start) : null;
  if (met) chosen = marks.indexOf(met);
  else return add(click ? [...start, 0, 0] : box);
  draw();
});
const between = ([a, b], [c, d]) => [Math.min(a, c), Math.min(b, d), Math.abs(a - c), Math.abs(b - d)];

// By key, before keys.js: while marking, a kind's letter and the arrows belong to the marks.
document.addEventListener(
  "keydown",
  (event) => {
    if (!marking() || event.ctrlKey || event.metaKey || event.target.matches("input, textarea, select")) return;
    if (document.querySelector("dialog[open]")) return;
    const letter = event.key.length === 1 && document.querySelector(`[data-kind-key="${CSS.escape(event.key.toLowerCase())}"]`);
    const arrow = WAYS[event.key];
    if (letter) choose(letter.dataset.kind);
    else if (arrow && marks[chosen]) shift(marks[chosen], arrow.map((sign) => sign * 0.01), event.shiftKey);
    else if (arrow && event.shiftKey) return; // they move the photo
    else if (arrow) pickNext(); // an arrow never answers while somebody marks
    else if (event.key === "Enter" && !event.target.closest("button, a, summary")) add(event.shiftKey ? [0.5, 0.5, 0, 0] : [0.5 - SIDE / 2, 0.5 - SIDE / 2, SIDE, SIDE]);
    else if (event.key === ".") pickNext();
    else if (event.key === "Escape") toggle(false);
    else return;
    event.preventDefault();
  },
  { capture: true },
);

document.addEventListener("click", (event) => {
  const wanted = event.target.closest("[data-kind]");
  if (wanted) choose(wanted.dataset.kind);
  const listed = event.target.closest("[data-mark]");
  if (listed) {
    chosen = Number(listed.dataset.mark) - 1;
    pickNext();
  }
  const judged = document.querySelector("[data-room-page]").dataset.again; // a changed answer takes no marks
  const actions = { mark: () => toggle(!judged && !marking()), severity: worsen, remove_mark: remove };
  actions[event.target.closest("[data-action]")?.dataset.action]?.();
});

function begin() {
  try {
    marks = JSON.parse(document.querySelector("[data-defects]").value || "[]");
  } catch {
    marks = [];
  }
  drag = null;
  kind = document.querySelector("[data-kind][data-rejects=yes]")?.dataset.kind ?? "";
  toggle(false);
}
document.addEventListener("part:shown", begin);
if (document.querySelector("[data-defects]")) begin();
