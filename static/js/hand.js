// What this person has in hand: the part that awaits its verdict, the two behind it, and those that are done. A room
// that lacks parts looks for them by itself.

import * as ahead from "./ahead.js";
import { signedOut } from "./api.js";
import { idleFor, isPaused, milliseconds } from "./clock.js";
import { restore, store } from "./drafts.js";
import { giveBack } from "./lease.js";
import { steppedAside } from "./one_room.js";
import * as outbox from "./outbox.js";
import { isPainted } from "./painted.js";
import { keep, show, showNone } from "./part.js";

const GUARD = 200; // ms in which a new part takes no answer: a key pressed twice must not judge an unseen photo
const LOOK_AGAIN = 3000;
const NOBODY_HERE = 5 * 60 * 1000;

const page = document.querySelector("[data-room-page]");
const { line } = page.dataset;
const done = new Set(outbox.parts()); // answered or passed on; the server may not know it yet
let current = null; // the claim that awaits its verdict; none while another part is looked at again
let shownAt = 0;
let guard;

export const inHand = () => current;
export const takesAnswers = () => !isPaused() && !steppedAside() && performance.now() - shownAt >= GUARD && isPainted();
export const spent = () => (current.spent ?? 0) + milliseconds();
export const leases = () => (steppedAside() ? [] : [current, ...ahead.held()].filter(Boolean).map(({ lease }) => lease));
export const finish = ({ inspection }) => done.add(inspection.id);
export const reopen = ({ inspection }) => done.delete(inspection.id);
const knows = ({ inspection: { id } }) => done.has(id) || [current, ...ahead.held()].some((claim) => claim?.inspection.id === id);

/** Show a claim. `looking`: it is judged already and only looked at again. */
export function put(claim, { looking = false } = {}) {
  current = looking ? null : claim;
  shownAt = performance.now();
  delete page.dataset.ready;
  if (claim) show(claim);
  clearTimeout(guard);
  guard = setTimeout(() => (page.dataset.ready = ""), GUARD);
}

/** Another part takes the place for a while; the present one comes next again, as it was left. */
export function setAside() {
  if (!current) return;
  current.spent = spent();
  keep(current);
  ahead.first(current);
}

/** Take the part of this serial out of those that wait here, if it is one of them. */
export function bring(serial) {
  const claim = ahead.take(serial);
  if (!claim) return false;
  setAside();
  put(claim);
  return true;
}

/** Show the next part. An answer on its way brings the one after it; after anything else the queue is asked. */
export function proceed({ answered = false } = {}) {
  const claim = ahead.next() ?? null;
  put(claim);
  if (!claim) showNone("coming");
  if (!claim || !answered) look();
}

/** Fill up what is ahead; into an empty room the first part comes at once. */
export async function look() {
  if ((!ahead.lacks() && current) || steppedAside()) return;
  const none = await ahead.fill(line, knows).catch((error) => error);
  if (current || page.dataset.again || isPaused()) return;
  if (ahead.held().length) proceed();
  else showNone(signedOut(none) ? "signed-out" : none === true ? "none" : "unreachable");
}

/** A claim that came with the answer to a verdict. */
export function receive(claim) {
  if (claim && !knows(claim)) ahead.add(claim);
  if (!current && !page.dataset.again) look();
}

/** Begin with what this person holds already; a part whose answer is on its way is not shown again. */
export function begin() {
  const claims = JSON.parse(document.getElementById("claims").textContent).filter((claim) => !knows(claim));
  for (const claim of claims) ahead.add(restore(claim));
  if (claims[0]?.inspection.id === Number(page.dataset.part)) {
    if ("refused" in page.dataset) keep(claims[0]); // it comes back with what was marked and written
    put(ahead.next());
    look();
  } else proceed();
  setInterval(() => {
    const absent = idleFor() > NOBODY_HERE;
    page.toggleAttribute("data-absent", absent);
    if (!document.hidden && !isPaused() && !absent) look(); // a queue that was short, or a claim that failed
  }, LOOK_AGAIN);
}

outbox.hooks.wantsNext = ahead.lacks;
addEventListener("pagehide", () => {
  if (current) keep(current);
  store([current, ...ahead.held()].filter(Boolean));
});
document.addEventListener("room:paused", () => giveBack(ahead.drop()));
document.addEventListener("room:resumed", look);
