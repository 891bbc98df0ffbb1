// Asks the site's own API with the session's cookie. What the server refuses comes back as a Refusal with its words;
// a server that does not answer at all is an ordinary error.

const TIMEOUT = 15_000; // ms; longer than the server takes at its busiest

export class Refusal extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

const token = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";

export async function ask(path, body, { farewell = false } = {}) {
  const answer = await fetch(`/api/v1/${path}`, {
    method: body ? "POST" : "GET",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token(), Accept: "application/json" },
    body: body && JSON.stringify(body),
    keepalive: farewell, // it outlives the page that sends it
    signal: farewell ? undefined : AbortSignal.timeout(TIMEOUT),
  });
  if (answer.status === 204) return null;
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(answer.status, content.detail ?? answer.statusText);
  return content;
}
