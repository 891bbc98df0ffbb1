// Keeps a part with the person who looks at it: a sign of life while somebody moves, and none when nobody does.
// Also counts down the time in which the last verdict can be undone.

let lastMove = performance.now();
let lastRenewal = performance.now();

for (const sign of ["pointermove", "pointerdown", "keydown", "wheel"]) {
  addEventListener(sign, () => (lastMove = performance.now()), { passive: true });
}

async function renew(page) {
  lastRenewal = performance.now();
  const form = document.querySelector("[data-verdict]");
  const answer = await fetch(page.dataset.renew, { method: "POST", body: new FormData(form), redirect: "manual" });
  if (answer.status === 409) document.dispatchEvent(new CustomEvent("part:gone"));
}

function countDown() {
  for (const last of document.querySelectorAll("[data-until]")) {
    const left = Math.ceil((Date.parse(last.dataset.until) - Date.now()) / 1000);
    last.hidden = left <= 0;
    last.querySelector("[data-left]").textContent = `${left} s`;
  }
}

setInterval(() => {
  countDown();
  const page = document.querySelector("[data-room-page][data-renew]");
  const due = page && performance.now() - lastRenewal > page.dataset.renewSeconds * 1000;
  if (due && !document.hidden && lastMove > lastRenewal) renew(page).catch(() => {});
}, 1000);

document.addEventListener("part:shown", () => {
  lastRenewal = performance.now();
  countDown();
});
countDown();
