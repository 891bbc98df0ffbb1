// Marks on the photo: boxes in shares of it, drawn by pointer or moved by keys, kept as JSON in the form's own field.

const SVG = "http://www.w3.org/2000/svg";
const SEVERITIES = ["minor", "major", "critical"];
const SMALLEST = 0.004; // a click without a drag is no box
const SIDE = 0.08; // of a box that Enter puts in the middle
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

let marks = [];
let chosen = -1;
let kind = "";
let drawing = null;

const stage = () => document.querySelector("[data-stage]");
const view = () => document.querySelector("[data-view]:not([hidden])");
const canvas = () => view().querySelector("[data-marks]");
const marking = () => Boolean(stage()?.classList.contains("marking"));
const clamp = (value) => Math.min(1, Math.max(0, value));
const round = (value) => Math.round(value * 1e5) / 1e5;
const button = (slug) => document.querySelector(`[data-kind="${CSS.escape(slug)}"]`);

function box(photo, mark, name) {
  const rect = document.createElementNS(SVG, "rect");
  const { width, height } = photo.viewBox.baseVal;
  const [x, y, w, h] = mark.box;
  const shape = { x: x * width, y: y * height, width: w * width, height: h * height, class: name };
  for (const [key, value] of Object.entries(shape)) rect.setAttribute(key, value);
  return rect;
}

function draw() {
  for (const figure of document.querySelectorAll("[data-view]")) {
    const photo = figure.querySelector("[data-marks]");
    const own = marks.filter((mark) => mark.photo === Number(figure.dataset.photo));
    photo.replaceChildren(
      ...own.flatMap((mark) => {
        const name = button(mark.kind)?.dataset.rejects ? "rejects" : "harmless";
        return [box(photo, mark, "under"), box(photo, mark, marks[chosen] === mark ? `${name} chosen` : name)];
      }),
    );
  }
  const field = document.querySelector("[data-defects]");
  if (field) field.value = JSON.stringify(marks);
  const severity = document.querySelector("[data-severity]");
  if (severity) severity.textContent = marks[chosen]?.severity ?? "minor";
  for (const one of document.querySelectorAll("[data-kind]")) {
    one.setAttribute("aria-pressed", String(one.dataset.kind === (marks[chosen]?.kind ?? kind)));
  }
}

function toggle(on) {
  stage().classList.toggle("marking", on);
  document.querySelector("[data-kinds]").hidden = !on;
  document.querySelector("[data-action=mark]").setAttribute("aria-pressed", String(on));
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

function shift(way, sizing, step) {
  const mark = marks[chosen];
  if (!mark) return;
  const [x, y, w, h] = mark.box;
  const [dx, dy] = way.map((sign) => sign * step);
  mark.box = sizing
    ? [x, y, Math.min(1 - x, Math.max(SMALLEST, w + dx)), Math.min(1 - y, Math.max(SMALLEST, h + dy))]
    : [Math.min(1 - w, Math.max(0, x + dx)), Math.min(1 - h, Math.max(0, y + dy)), w, h];
  mark.box = mark.box.map(round);
  draw();
}

/** The pointer as shares of the photo, whatever its zoom. */
function place(event) {
  const photo = canvas();
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(photo.getScreenCTM().inverse());
  return [clamp(at.x / photo.viewBox.baseVal.width), clamp(at.y / photo.viewBox.baseVal.height)];
}

document.addEventListener("pointerdown", (event) => {
  if (!marking() || !event.target.closest("[data-stage]") || event.button) return;
  stage().setPointerCapture(event.pointerId);
  drawing = place(event);
});
document.addEventListener("pointermove", (event) => {
  if (!drawing) return;
  const [x, y] = place(event);
  const at = [Math.min(x, drawing[0]), Math.min(y, drawing[1])];
  const rough = { box: [...at, Math.abs(x - drawing[0]), Math.abs(y - drawing[1])] };
  canvas().querySelector(".rough")?.remove();
  canvas().append(box(canvas(), rough, "rejects rough"));
});
document.addEventListener("pointerup", (event) => {
  if (!drawing) return;
  const [x, y] = place(event);
  const size = [Math.abs(x - drawing[0]), Math.abs(y - drawing[1])];
  const corner = [Math.min(x, drawing[0]), Math.min(y, drawing[1])];
  drawing = null;
  if (Math.min(...size) >= SMALLEST) add([...corner, ...size]);
  else pick(x, y);
});

/** A click chooses the smallest mark under it. */
function pick(x, y) {
  const photo = Number(view().dataset.photo);
  const under = marks.filter(({ photo: on, box: [a, b, w, h] }) => on === photo && x >= a && x <= a + w && y >= b && y <= b + h);
  under.sort((one, other) => one.box[2] * one.box[3] - other.box[2] * other.box[3]);
  chosen = marks.indexOf(under[0]);
  draw();
}

// Before keys.js: while marking, a kind's letter and the arrows belong to the marks.
document.addEventListener(
  "keydown",
  (event) => {
    if (!marking() || event.ctrlKey || event.metaKey || event.target.matches("input, textarea")) return;
    const letter = event.key.length === 1 && document.querySelector(`[data-kind-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (letter) choose(letter.dataset.kind);
    else if (WAYS[event.key]) shift(WAYS[event.key], event.shiftKey, 0.01);
    else if (event.key === "Enter") add([0.5 - SIDE / 2, 0.5 - SIDE / 2, SIDE, SIDE]);
    else if (event.key === "Escape") toggle(false);
    else return;
    event.preventDefault();
  },
  { capture: true },
);

document.addEventListener("click", (event) => {
  const wanted = event.target.closest("[data-kind]");
  if (wanted) choose(wanted.dataset.kind);
  const actions = { mark: () => toggle(!marking()), severity: worsen, remove_mark: remove };
  actions[event.target.closest("[data-action]")?.dataset.action]?.();
});

function begin() {
  const field = document.querySelector("[data-defects]");
  try {
    marks = JSON.parse(field?.value || "[]");
  } catch {
    marks = [];
  }
  chosen = -1;
  drawing = null;
  kind = document.querySelector("[data-kind][data-rejects=yes]")?.dataset.kind ?? "";
  if (field) draw();
}
document.addEventListener("part:shown", begin);
begin();
