// The look of the photo: light, contrast, gamma, equalised, inverted. It is kept from part to part and from day to day,
// so one that is not neutral is always told: a forgotten inversion misleads. equaliser.js does the equalising.

import { keep, recall } from "./kept.js";

const NEUTRAL = { brightness: 100, contrast: 100, gamma: 100, equalise: false, invert: false };
const STEPPED = { brighter: "brightness", harder: "contrast", gamma: "gamma" };
const STEP = 10;
const LEAST = 30;
const MOST = 300;
const look = { ...NEUTRAL, ...recall("look", {}) };

const word = (name) =>
  ({
    brightness: gettext("light %s"),
    contrast: gettext("contrast %s"),
    gamma: gettext("gamma %s"),
    equalise: gettext("equalised"),
    invert: gettext("inverted"),
  })[name].replace("%s", look[name]);
const changed = () => Object.keys(NEUTRAL).filter((name) => look[name] !== NEUTRAL[name]);

/** A CSS filter, or none at all: even one that changes nothing takes its time in every frame. */
function filter() {
  const parts = [];
  if (look.gamma !== 100) parts.push("url(#gamma)");
  if (look.brightness !== 100) parts.push(`brightness(${look.brightness}%)`);
  if (look.contrast !== 100) parts.push(`contrast(${look.contrast}%)`);
  if (look.invert) parts.push("invert(1)");
  return parts.join(" ") || "none";
}

function show() {
  for (const curve of document.querySelectorAll("#gamma [type=gamma]")) curve.setAttribute("exponent", 100 / look.gamma);
  document.documentElement.style.setProperty("--look", filter());
  for (const slider of document.querySelectorAll("[data-look]")) {
    slider.value = look[slider.dataset.look];
    slider.setAttribute("aria-valuetext", word(slider.dataset.look));
  }
  for (const name of ["equalise", "invert"]) {
    document.querySelector(`[data-action=${name}]`)?.setAttribute("aria-pressed", String(look[name]));
  }
  const mark = document.querySelector("[data-look-changed]");
  if (mark) mark.hidden = !changed().length;
  if (mark) mark.querySelector("[data-look-words]").textContent = changed().map(word).join(" · ");
  document.dispatchEvent(new CustomEvent("look:shown", { detail: { equalise: look.equalise } }));
}

function change(to, words) {
  Object.assign(look, to);
  keep("look", look);
  show();
  const detail = words ?? Object.keys(to).map(word).join(" · ");
  document.dispatchEvent(new CustomEvent("say", { detail }));
}

function set(name, value) {
  change({ [name]: Math.min(MOST, Math.max(LEAST, value)) });
}

document.addEventListener("click", (event) => {
  const action = event.target.closest("[data-action]")?.dataset.action;
  const name = STEPPED[action];
  if (name) set(name, look[name] + (event.shiftKey ? -STEP : STEP));
  if (action === "invert") change({ invert: !look.invert }, look.invert ? gettext("as taken") : undefined);
  if (action === "equalise") change({ equalise: !look.equalise }, look.equalise ? gettext("not equalised") : undefined);
  if (action === "reset_look") change(NEUTRAL, gettext("the photo as it was taken"));
});
document.addEventListener("input", (event) => {
  if (event.target.dataset.look) set(event.target.dataset.look, event.target.valueAsNumber);
});
document.addEventListener("part:shown", show);
show();
