// Keeps the parts of this page with the person who looks at it: a sign of life for all of them while somebody is here,
// none while nobody is, and a farewell when the page closes, so that others get the parts at once.

import { ask } from "./api.js";
import { idleFor, isPaused } from "./clock.js";

let last = performance.now();

export function keepAlive({ leases, seconds, gone }) {
  setInterval(async () => {
    const due = performance.now() - last > seconds * 1000;
    if (!due || document.hidden || isPaused() || idleFor() > performance.now() - last) return;
    last = performance.now();
    const tokens = leases().map(({ token }) => token);
    if (!tokens.length) return;
    const answer = await ask("queue/renew/", { leases: tokens }).catch(() => null);
    for (const lease of leases()) {
      lease.expires_at = answer?.leases.find(({ token }) => token === lease.token)?.expires_at ?? lease.expires_at;
    }
    if (answer?.gone.length) gone(answer.gone);
  }, 1000);

  document.addEventListener("room:resumed", () => (last = -Infinity)); // asks at once whether the part is still ours

  // The time of expiry tells this page's lease from one that a reload of it has renewed since.
  addEventListener("pagehide", () => giveBack(leases()));
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

export function giveBack(leases) {
  const held = leases.map(({ token, expires_at }) => ({ token, expires_at }));
  if (held.length) ask("queue/leave/", { leases: held }, { farewell: true }).catch(() => {});
}
