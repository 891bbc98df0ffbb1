// The parts that come next: claimed, their photos fetched and the first one decoded before anybody asks for them.

import { Refusal, ask } from "./api.js";

const WANTED = 2;
const parts = [];
let filling = null;

export const lacks = () => parts.length < WANTED;
export const held = () => parts;
export const next = () => parts.shift();
export const first = (claim) => parts.unshift(prepared(claim));

/** The claim with its photos as images on their way; the first is decoded, for the others it is enough to be here. */
function prepared(claim) {
  if (claim.images) return claim;
  claim.images = claim.inspection.photos.map(({ url }) => {
    const image = new Image();
    image.decoding = "sync"; // painted in the very frame in which it is put in place
    image.src = url;
    new Image().src = `${url}preview/`;
    return image;
  });
  claim.images[0]?.decode().catch(() => {});
  return claim;
}

export function add(claim) {
  parts.push(prepared(claim));
  const photos = claim.inspection.photos.map((photo, number) => ({ ...photo, img: claim.images[number] }));
  document.dispatchEvent(new CustomEvent("part:ahead", { detail: { photos } }));
}

/** Claim until two are ahead. Returns whether the queue had none left. */
export function fill(line, knows) {
  filling ??= claimUntilFull(line, knows).finally(() => (filling = null));
  return filling;
}

async function claimUntilFull(line, knows) {
  while (lacks()) {
    const claim = (await ask("queue/claim/", { line }).catch(full)) ?? (await unknown(line, knows));
    if (!claim) return true;
    add(claim);
  }
  return false;
}

/** With eight in hand the server gives no ninth. */
function full(error) {
  if (!(error instanceof Refusal) || error.status !== 409) throw error;
}

/** A part that this person holds and this page does not know, because the answer to its claim was lost. */
async function unknown(line, knows) {
  const mine = await ask("queue/mine/");
  return mine.find((claim) => claim.inspection.line === line && !knows(claim));
}

/** Give up all parts ahead, for others to take, and say which leases they were. */
export const drop = () => parts.splice(0).map(({ lease }) => lease);

/** The part of this serial, taken out of its turn. */
export function take(serial) {
  const at = parts.findIndex(({ inspection }) => inspection.serial === serial);
  return at < 0 ? null : parts.splice(at, 1)[0];
}

/** Forget the parts whose leases are gone. */
export function forget(tokens) {
  for (const token of tokens) {
    const at = parts.findIndex(({ lease }) => lease.token === token);
    if (at >= 0) parts.splice(at, 1);
  }
}
