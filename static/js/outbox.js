// Answers on their way to the server, in their order. Each is kept in the browser's storage until the server has said
// what became of it, so a lost network or a closed page loses none; the server knows an answer by its lease, so one that
// is sent again counts once. For the first BEAT an answer can be withdrawn as if it had not been given.

import { Refusal, ask, signedOut } from "./api.js";

const BEAT = 60; // ms: a barcode scanner's second character comes sooner
const RETRY = [1000, 2000, 4000, 8000, 15_000];
const NAME = `outbox.${document.querySelector("[data-room-page]").dataset.user}`;
let memory = { entries: [], verdicts: {}, done: [] }; // where a browser has no storage

export const hooks = { wantsNext: () => false };

function load() {
  try {
    memory = { ...memory, ...JSON.parse(localStorage.getItem(NAME)) };
  } catch {
    // Without storage an answer lives as long as the page.
  }
  return memory;
}

function save(kept) {
  memory = kept;
  try {
    localStorage.setItem(NAME, JSON.stringify(kept));
  } catch {
    // As above.
  }
  tell("outbox:changed", { waiting: kept.entries.length });
}

const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
export const waiting = () => load().entries.length;
/** The parts that are answered: those on their way, and the last that have arrived, which a page may still hold. */
export const parts = () => [...load().entries.map(({ part }) => part), ...load().done];

/** Put an answer in. kind: verdict, correction (of the verdict of entry `of`), skip or retake. Returns its id. */
export function put(kind, part, serial, body, of = null) {
  const entry = { id: crypto.randomUUID?.() ?? `${Date.now()}.${Math.random()}`, kind, part, serial, body, of };
  entry.from = kind === "verdict" ? Date.now() + BEAT : 0;
  const kept = load();
  save({ ...kept, entries: [...kept.entries, entry] });
  setTimeout(flush, kind === "verdict" ? BEAT : 0);
  return entry.id;
}

/** Take an answer back that was never sent. False: it is on its way. */
export function withdraw(id) {
  const kept = load();
  const entry = kept.entries.find((entry) => entry.id === id);
  if (!entry || entry.tried) return false;
  save({ ...kept, entries: kept.entries.filter((entry) => entry.id !== id) });
  return true;
}

function settle(entry, answer) {
  const kept = load();
  const verdicts = Object.fromEntries(Object.entries(kept.verdicts).slice(-8));
  if (answer?.verdict?.id) verdicts[entry.id] = answer.verdict.id;
  const done = answer === undefined ? kept.done : [...kept.done, entry.part].slice(-16); // a refused part is not done
  save({ entries: kept.entries.filter(({ id }) => id !== entry.id), verdicts, done });
}

function pathOf({ kind, part, of }) {
  if (kind === "verdict") return `inspections/${part}/verdicts/`;
  return kind === "correction" ? `verdicts/${load().verdicts[of]}/correction/` : `inspections/${part}/${kind}/`;
}

/** Send one entry. True: the server has said what becomes of it. False: it has trouble with this one. */
async function send(entry) {
  const kept = load();
  save({ ...kept, entries: kept.entries.map((one) => (one.id === entry.id ? { ...one, tried: true } : one)) });
  const body = entry.kind === "verdict" ? { ...entry.body, next: hooks.wantsNext() } : entry.body;
  try {
    const answer = await ask(pathOf(entry), body);
    if (entry.kind === "verdict" && !answer?.verdict) throw new Error("no receipt");
    settle(entry, answer);
    tell("outbox:sent", { entry, answer });
  } catch (error) {
    if (signedOut(error)) tell("outbox:signed-out");
    if (!(error instanceof Refusal) || signedOut(error)) throw error;
    if (error.status >= 500 || error.status === 429) return false;
    settle(entry);
    tell("outbox:refused", { entry, status: error.status, words: error.message });
  }
  return true;
}

/** The first entry to send: one that the server had trouble with holds up nothing but its own corrections. */
function nextOf(stuck) {
  const entry = load().entries.find(({ id, of }) => !stuck.has(id) && !stuck.has(of));
  if (entry?.kind !== "correction" || load().verdicts[entry.of]) return entry;
  settle(entry); // its verdict was refused: there is nothing to correct
  return nextOf(stuck);
}

let sending = false;
let failures = 0;
let retry;

/** Send what waits, the oldest first; what fails goes again in a while, or when the network is back. */
export async function flush() {
  if (sending) return;
  sending = true;
  clearTimeout(retry);
  const stuck = new Set();
  try {
    for (let entry = nextOf(stuck); entry; entry = nextOf(stuck)) {
      const early = entry.from - Date.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(early, BEAT)));
      else if (!(await send(entry))) stuck.add(entry.id);
    }
  } catch {
    stuck.add("the way to the server");
  } finally {
    sending = false;
  }
  failures = stuck.size ? failures + 1 : 0;
  if (!stuck.size) return;
  tell("outbox:stuck", { waiting: waiting() });
  retry = setTimeout(flush, RETRY[Math.min(failures, RETRY.length) - 1]);
}

addEventListener("online", flush);
