// The what-if page: each [data-slider] select of the form [data-what-if] gets a slider that snaps to its options, and
// every change fetches the same page's fragment and puts it in its places, [data-part]. The URL keeps the choice. Without
// this module the form's selects and its button do the same.

import { piece } from "./api.js";

const PAUSE = 120; // ms that a slider stands still before its place is asked for
const form = document.querySelector("[data-what-if]");
const bars = [...(form?.querySelectorAll("[data-slider] select") ?? [])];

/** The slider is how a select is moved; the select stays what the form sends. */
function addSlider(select) {
  const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: select.length - 1, step: 1 });
  const value = document.createElement("output");
  slider.id = `${select.id}_slider`;
  value.htmlFor = slider.id;
  select.labels[0].htmlFor = slider.id;
  select.before(value, slider);
  select.hidden = true;
  const show = () => {
    slider.value = select.selectedIndex;
    slider.setAttribute("aria-valuetext", select.value);
    value.textContent = select.value;
  };
  slider.addEventListener("input", () => {
    select.selectedIndex = slider.valueAsNumber;
    keepOrder(select);
  });
  select.addEventListener("moved", show);
  show();
}

/** To pass below stays at or before to reject from: the one that is moved takes the other along. */
function keepOrder(moved) {
  const [pass, reject] = bars;
  if (pass.selectedIndex > reject.selectedIndex) (moved === pass ? reject : pass).selectedIndex = moved.selectedIndex;
  for (const select of bars) select.dispatchEvent(new Event("moved"));
}

const nameOf = (details) => details.querySelector("summary").textContent;

/** Put a piece in its place; what the reader had opened there, or closed, stays so. */
function put(part) {
  const place = document.querySelector(`[data-part="${part.dataset.part}"]`);
  const unfolded = new Map([...place.querySelectorAll("details")].map((one) => [nameOf(one), one.open]));
  for (const one of part.querySelectorAll("details")) one.open = unfolded.get(nameOf(one)) ?? one.open;
  place.replaceChildren(...part.childNodes);
}

let waiting = 0;
let asking = new AbortController();

async function refresh() {
  if (!form.checkValidity()) return;
  asking.abort();
  asking = new AbortController();
  const query = new URLSearchParams(new FormData(form));
  const answer = document.querySelector("[data-part=answer]");
  answer.setAttribute("aria-busy", "true");
  try {
    const inside = await piece(`?${query}&fragment`, { signal: asking.signal });
    if (!inside) return location.assign(`?${query}`); // refused: the page says why
    history.replaceState(history.state, "", `?${query}`);
    for (const part of inside.querySelectorAll("[data-part]")) put(part);
    answer.removeAttribute("aria-busy");
  } catch (error) {
    if (error.name !== "AbortError") location.assign(`?${query}`);
  }
}

if (form) {
  for (const select of bars) addSlider(select);
  form.querySelector("[data-without-js]").hidden = true;
  form.addEventListener("input", (event) => {
    clearTimeout(waiting);
    if (event.target !== form.model) waiting = setTimeout(refresh, PAUSE);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    refresh();
  });
  // Another version has other thresholds.
  form.model.addEventListener("change", () => location.assign(`?${new URLSearchParams({ model: form.model.value })}`));
}
