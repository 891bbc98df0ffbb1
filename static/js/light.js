// Brightness and contrast of the photo, kept from part to part and from day to day; and the words over the photo
// that tell what a key has changed (the event "say").

const NAMES = { brightness: "Light", contrast: "Contrast" };
const light = { brightness: 100, contrast: 100 };
try {
  Object.assign(light, JSON.parse(localStorage.getItem("light") ?? "{}"));
} catch {
  // A browser without storage starts every page at 100 %.
}

function show() {
  for (const [name, percent] of Object.entries(light)) {
    document.documentElement.style.setProperty(`--${name}`, percent / 100);
    const slider = document.querySelector(`[data-light="${name}"]`);
    if (slider) slider.value = percent;
  }
}

function set(name, percent) {
  light[name] = Math.min(300, Math.max(50, percent));
  show();
  say(`${NAMES[name]} ${light[name]} %`);
  try {
    localStorage.setItem("light", JSON.stringify(light));
  } catch {
    // As above.
  }
}

let saying;
function say(words) {
  const said = document.querySelector("[data-said]");
  if (!said) return;
  said.textContent = words;
  said.classList.add("on");
  clearTimeout(saying);
  saying = setTimeout(() => said.classList.remove("on"), 900);
}

document.addEventListener("click", (event) => {
  const step = event.shiftKey ? -10 : 10;
  const name = { brighter: "brightness", harder: "contrast" }[event.target.closest("[data-action]")?.dataset.action];
  if (name) set(name, light[name] + step);
});
document.addEventListener("input", (event) => {
  if (event.target.dataset.light) set(event.target.dataset.light, event.target.valueAsNumber);
});
document.addEventListener("say", (event) => say(event.detail));
document.addEventListener("part:shown", show);
show();
