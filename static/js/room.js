// The room's rhythm: a verdict is sent without leaving the page, its shape flashes at the edge, and the next part
// takes the place when its photo is ready. An empty room looks for the next part by itself.

const GUARD = 200; // ms in which a new part takes no answer: a key pressed twice must not judge an unseen photo
const LOOK_AGAIN = 3000;
const NOBODY_HERE = 5 * 60 * 1000;

let busy = false;
let shownAt = performance.now();
let lastMove = performance.now();
const page = () => document.querySelector("[data-room-page]");

/** Put the answer's body in place of this one, as soon as its photo can be painted. */
async function enter(response, { waiting = false } = {}) {
  const next = new DOMParser().parseFromString(await response.text(), "text/html");
  if (waiting && next.querySelector("[data-nothing]")) return;
  if (!next.querySelector("[data-room-page]")) return void location.assign(response.redirected ? response.url : location.href);
  const view = next.querySelector("[data-view]:not([hidden])");
  if (view) {
    const photos = [...view.querySelectorAll("img")].map((image) => Object.assign(new Image(), { src: image.getAttribute("src") }));
    await Promise.race([photos.at(-1).decode(), photos[0].decode().then(() => wait(60)), wait(2000)]).catch(() => {});
  }
  document.title = next.title;
  document.body.className = next.body.className;
  document.body.replaceChildren(...[...next.body.childNodes].map((node) => document.adoptNode(node)));
  if (response.redirected) history.replaceState(null, "", response.url);
  document.dispatchEvent(new CustomEvent("part:shown"));
}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const say = (words) => document.dispatchEvent(new CustomEvent("say", { detail: words }));

function flash(button) {
  const edge = document.querySelector("[data-flash]");
  edge.replaceChildren(button.querySelector("svg").cloneNode(true));
  edge.className = `flash outcome ${button.value}`;
  void edge.offsetWidth; // starts the animation anew
  edge.classList.add("on");
}

async function send(form, button) {
  busy = true;
  button.classList.add("pressed");
  flash(button);
  const field = form.querySelector("[data-duration]");
  if (field) field.value = Math.round(performance.now() - shownAt);
  const body = new FormData(form, button);
  try {
    await enter(await fetch(form.action, { method: "POST", body }));
  } catch {
    say("Not sent: the server does not answer. Press again.");
    button.classList.remove("pressed");
  } finally {
    busy = false;
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-verdict]");
  if (!form) return;
  event.preventDefault();
  if (busy || !event.submitter?.value || performance.now() - shownAt < GUARD) return;
  send(form, event.submitter);
});

async function lookAgain() {
  if (!page()?.matches("[data-nothing]") || busy || document.hidden) return;
  const absent = performance.now() - lastMove > NOBODY_HERE;
  page().querySelector("[data-waiting]").hidden = absent;
  page().querySelector("[data-paused]").hidden = !absent;
  if (absent) return;
  const answer = await fetch(location.href).catch(() => null);
  if (answer?.ok) await enter(answer, { waiting: true });
}

// `inert` keeps a click away as the guard keeps a key away, and looks the same; `data-ready` tells that both are over.
function guard() {
  const form = document.querySelector("[data-verdict]");
  if (form) form.inert = true;
  setTimeout(() => {
    if (form) form.inert = false;
    if (page()) page().dataset.ready = "";
  }, GUARD);
}

function begin() {
  shownAt = performance.now();
  guard();
}

for (const sign of ["pointermove", "pointerdown", "keydown"]) {
  addEventListener(sign, () => (lastMove = performance.now()), { passive: true });
}
document.addEventListener("part:shown", begin);
document.addEventListener("part:gone", () => location.reload());
setInterval(lookAgain, LOOK_AGAIN);
begin();
