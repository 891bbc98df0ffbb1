// Asks the site with the session's cookie, in the name of the person whose page this is. What the server refuses comes
// back as a Refusal with its words; whatever else is not an answer of ours (no network, a proxy's own page) is an error.

const TIMEOUT = 15_000; // ms; longer than the server takes at its busiest
const person = document.querySelector("[data-user]")?.dataset.user ?? "";

export class Refusal extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

/** Whether a failure means that this page's person is not the one who is signed in. */
export const signedOut = (error) => error instanceof Refusal && (error.status === 401 || /CSRF/.test(error.message));

const token = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";

export async function ask(path, body, { farewell = false } = {}) {
  const answer = await fetch(`/api/v1/${path}`, {
    method: body ? "POST" : "GET",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token(), "X-Person": person, Accept: "application/json" },
    body: body && JSON.stringify(body),
    keepalive: farewell, // it outlives the page that sends it
    signal: farewell ? undefined : AbortSignal.timeout(TIMEOUT),
  });
  if (answer.status === 204) return null;
  if (!/json/.test(answer.headers.get("Content-Type"))) throw new Error(`not an answer of ours: ${answer.status}`);
  const content = await answer.json();
  if (!answer.ok) throw new Refusal(answer.status, content.detail ?? answer.statusText);
  return content;
}

/** A piece of a page as a template's content; null where there is none for this person now. */
export async function piece(address, { signal } = {}) {
  const answer = await fetch(address, { headers: { "X-Person": person }, signal });
  if (answer.status !== 200 || answer.redirected) return null;
  const html = document.createElement("template");
  html.innerHTML = await answer.text();
  return html.content;
}
