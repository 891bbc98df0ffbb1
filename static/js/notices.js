// What the room has to say without being asked: a line that leaves by itself, the answers that wait for the network, and
// what is wrong with the answer just given.

const STAYS = 6000;

export function notice(words, kind = "info") {
  const line = document.querySelector("template[data-notice-template]").content.firstElementChild.cloneNode(true);
  line.classList.add(kind);
  line.querySelector("[data-words]").textContent = words;
  document.querySelector("[data-notices]").append(line);
  setTimeout(() => line.remove(), STAYS);
}

export function problem(words) {
  const place = document.querySelector("[data-error]");
  place.hidden = !words;
  place.querySelector("[data-words]").textContent = words ?? "";
}

let stuck = false;

function show(waiting) {
  if (!waiting) stuck = false;
  const place = document.querySelector("[data-outbox]");
  place.hidden = !stuck;
  if (!stuck) return;
  const words = ngettext("%s answer is not sent yet", "%s answers are not sent yet", waiting);
  place.querySelector("[data-words]").textContent = interpolate(words, [waiting]);
}

document.addEventListener("outbox:stuck", ({ detail }) => {
  stuck = true;
  show(detail.waiting);
});
document.addEventListener("outbox:changed", ({ detail }) => show(detail.waiting));
document.addEventListener("outbox:signed-out", () => {
  document.querySelector("[data-signed-out]").hidden = false;
});
document.addEventListener("part:shown", () => problem(null));
