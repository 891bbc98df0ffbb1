// The desk's pages by fetch: the next one comes with its pictures while this one is looked at, and takes its place at
// once. Each is the server's own page; what is shown of it are the pieces that bear data-piece.

const PIECES = ["title", "messages", "line", "strip", "stage", "over", "side", "judge"];
const TIMEOUT = 15_000; // ms

const main = (doc = document) => doc.querySelector("[data-desk]");
const piece = (doc, name) => doc.querySelector(`[data-piece="${name}"]`);
export const part = () => main()?.dataset.part;

/** A page: its document, where it came from in the end, and which part it shows (undefined: it is no desk). */
export async function page(address, options = {}) {
  const answer = await fetch(address, { ...options, signal: AbortSignal.timeout(TIMEOUT) });
  const doc = new DOMParser().parseFromString(await answer.text(), "text/html");
  return { ok: answer.ok, status: answer.status, url: answer.url, doc, part: main(doc)?.dataset.part };
}

// A picture that is held decoded is painted in the very frame in which another image with its address is put in place.
function pictures(doc) {
  const wanted = doc.querySelectorAll("[data-view] img[data-full], [data-view]:not([hidden]) img");
  return [...wanted].map(({ src }) => {
    const image = new Image();
    image.src = src;
    image.decode().catch(() => {});
    return image;
  });
}

let ahead = null;

/** Fetch the page that the way to the next open part names, unless it is here. */
export function look() {
  const address = document.querySelector("[data-following]")?.href;
  if (!address) return void (ahead = null);
  if (ahead?.address === address) return;
  const coming = { address, here: null };
  ahead = coming;
  page(address).then((found) => found.part && Object.assign(coming, { here: { ...found, pictures: pictures(found.doc) } }), () => {});
}

/** The page ahead if it is here; it is taken but once. */
export function take() {
  const found = ahead?.here;
  if (found) ahead = null;
  return found;
}

export function swap(doc, names) {
  for (const name of names) {
    const [old, fresh] = [piece(document, name), piece(doc, name)];
    if (old && fresh) old.replaceWith(document.importNode(fresh, true));
  }
}

/** Show a page in place of this one. */
export function show({ doc, url, part: shown }) {
  swap(doc, PIECES);
  Object.assign(main().dataset, { part: shown, views: main(doc).dataset.views });
  document.title = doc.title;
  history.pushState(null, "", url);
  document.dispatchEvent(new CustomEvent("part:shown"));
}

addEventListener("popstate", () => location.reload());
