// [data-wall]: a screen that nobody touches asks for its lines again every data-every seconds. A minute without an answer
// is said in big letters: a wall that shows old figures as if they were new is worse than none. Once a day it loads anew,
// for what was released meanwhile.

import { piece } from "./api.js";

const PATIENCE = 10_000; // ms for an answer
const LOST = 60_000;
const DAY = 24 * 3600 * 1000;
const place = document.querySelector("[data-wall]");
const lost = document.querySelector("[data-lost]");
const wait = 1000 * Number(place.dataset.every);
const opened = Date.now();
let answered = opened;

async function again() {
  const inside = await piece(place.dataset.wall, { signal: AbortSignal.timeout(PATIENCE) }).catch(() => null);
  if (inside) {
    place.replaceChildren(inside);
    answered = Date.now();
  }
  const silent = Date.now() - answered > LOST;
  lost.hidden = !silent;
  document.body.classList.toggle("lost", silent);
  if (!silent && Date.now() - opened > DAY) location.reload();
  else setTimeout(again, wait);
}

setTimeout(again, wait);
