// Ways on the desk without a new page: to the next open part, back to the last one, and the uses of the part.

import * as pages from "./desk_pages.js";
import { inTurn, refused, serial } from "./desk_sending.js";

/** The same page comes back, and what stands beside the photo is taken from it. */
async function use(form, submitter) {
  const [body, shown] = [new FormData(form, submitter), pages.part()];
  submitter.disabled = true;
  const answer = await pages.page(form.action, { method: "POST", body }).catch(() => null);
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
  if (!event.target.matches("[data-use]")) return;
  event.preventDefault();
  inTurn(() => use(event.target, event.submitter));
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-action=next], [data-action=undo]");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const { href } = link;
  if (link.dataset.action === "undo") inTurn(() => go(href)); // back, once it is written
  else go(href);
});
