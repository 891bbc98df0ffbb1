// The desk: a finding and a reason settle the part and the next one stands there at once; the server is told meanwhile.
// Without this module the page is an ordinary form.

import * as pages from "./desk_pages.js";

const given = new Map(); // what the part was found to be -> the reason given for it last
let sending = Promise.resolve(); // one after the other: what was settled last is written last
let waiting = false; // the next part is not here yet

const form = () => document.querySelector("[data-settle]");
const chosen = () => form()?.querySelector("[name=finding]:checked");
const field = () => form().elements.reason;
const serial = () => document.querySelector("[data-part-serial]").textContent.trim();
const say = (words) => document.dispatchEvent(new CustomEvent("say", { detail: words }));
const lastReason = ({ dataset: { meaning, last } }) => given.get(meaning) ?? last;

/** Offer the reasons of the finding that is chosen. */
function offer() {
  if (!form()) return;
  const finding = chosen();
  for (const list of form().querySelectorAll("[data-reasons]")) list.hidden = list.dataset.reasons !== finding?.value;
  const last = finding && lastReason(finding);
  field().placeholder = last ? interpolate(gettext("Enter: %s"), [last]) : field().dataset.placeholder;
  form().noValidate = true; // what is missing is said beside it
}

function settle(submitter) {
  const finding = chosen();
  if (waiting) return;
  if (!finding) return say(gettext("Who was right? P, M or A."));
  const body = new FormData(form(), submitter);
  const reason = body.get("chosen") || body.get("reason").trim() || lastReason(finding);
  if (!reason) return void (field().focus(), say(gettext("Say why.")));
  body.delete("chosen");
  body.set("reason", reason);
  given.set(finding.dataset.meaning, reason);
  const was = { serial: serial(), address: location.href, words: finding.closest("label").querySelector("span").firstElementChild.textContent };
  const { action } = form();
  const next = pages.take();
  if (next) {
    body.set("then", next.part);
    pages.show(next);
    leadBack(was);
  }
  waiting = !next;
  say(`${was.serial}: ${was.words}`);
  sending = sending.then(() => send(action, body, was, next));
}

/** The page ahead was written before this part was settled: the way back leads to it all the same. */
function leadBack({ serial: last, address, words }) {
  const link = document.querySelector("[data-action=undo]");
  Object.assign(link, { href: address, hidden: false, title: words });
  link.querySelector("[data-last-serial]").textContent = last;
}

async function send(action, body, was, next) {
  const answer = await pages.page(action, { method: "POST", body }).catch(() => null);
  waiting = false;
  if (!answer?.ok) return refused(answer, was);
  if (!answer.part) return location.assign(answer.url); // nothing is open any more
  if (!next || answer.part !== next.part) pages.show(answer);
  else if (answer.part === pages.part()) refresh(answer.doc);
  announce(was);
}

/** What the server knows by now of the part that is shown: how many are open, and what comes next. */
function refresh(doc) {
  pages.swap(doc, ["messages", "line"]);
  const then = form()?.querySelector("[data-then]");
  if (then) then.value = doc.querySelector("[data-then]")?.value ?? "";
  document.dispatchEvent(new CustomEvent("aside:shown")); // the letters of the keys, too
  pages.look();
}

function refused(answer, was) {
  const words = answer?.doc.querySelector("[data-error]:not([hidden]) [data-words], .empty p")?.textContent;
  const item = Object.assign(document.createElement("li"), { className: "message error" });
  const back = Object.assign(document.createElement("a"), { href: was.address, textContent: gettext("Back to it") });
  item.append(`${was.serial}: ${words ?? gettext("not settled, the server did not answer.")} `, back);
  const list = Object.assign(document.createElement("ul"), { className: "messages" });
  list.append(item);
  document.querySelector('[data-piece="messages"]').replaceChildren(list);
}

function announce(was) {
  const open = document.querySelector("[data-open]")?.textContent.trim();
  document.querySelector("[data-announce]").textContent = `${was.serial}: ${was.words}. ${serial()}. ${open}`;
}

/** A use of the part: the same page comes back, and what stands beside the photo is taken from it. */
async function use(each, submitter) {
  const [body, shown] = [new FormData(each, submitter), pages.part()];
  submitter.disabled = true;
  const answer = await pages.page(each.action, { method: "POST", body }).catch(() => null);
  if (!answer?.ok) return refused(answer, { serial: serial(), address: location.href });
  pages.swap(answer.doc, answer.part === pages.part() ? ["messages", "side"] : ["messages"]);
  if (shown === pages.part()) document.dispatchEvent(new CustomEvent("view:shown"));
  document.dispatchEvent(new CustomEvent("aside:shown"));
}

async function go(address) {
  const next = pages.take();
  if (next && new URL(next.url).pathname === new URL(address).pathname) return pages.show(next);
  const found = await pages.page(address).catch(() => null);
  if (found?.part) pages.show(found);
  else location.assign(address);
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-settle], [data-use]")) return;
  event.preventDefault();
  if (event.target.matches("[data-settle]")) settle(event.submitter);
  else sending = sending.then(() => use(event.target, event.submitter));
});
document.addEventListener("change", (event) => event.target.name === "finding" && offer());
document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-action]");
  const action = target?.dataset.action;
  if (action === "write") field().focus();
  if ((action === "next" || action === "undo") && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    (action === "undo" ? sending : Promise.resolve()).then(() => go(target.href)); // back, once it is written
  }
  // Chosen by mouse or letter, a finding keeps no focus: the arrows are the photos'.
  if (event.target.closest("label")?.querySelector("[name=finding]") && event.target.name !== "finding") {
    setTimeout(() => chosen()?.blur());
  }
});
document.addEventListener("keydown", (event) => {
  const idle = !event.target.closest("input, textarea, select, button, a, summary, dialog");
  if (event.key !== "Enter" || event.defaultPrevented || !idle || !form() || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  form().requestSubmit();
});
document.addEventListener("part:shown", () => {
  offer();
  pages.look();
});
offer();
pages.look();
