// What the page asks of its server, and of no other.

const TOKEN = "fauxface-token";
const TRIES = 4;

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function keepToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

const wait = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

async function fail(response) {
  let message = `the server answered ${response.status}`;
  try {
    message = (await response.json()).error.message;
  } catch {
    // an answer without a message says as much as its status does
  }
  throw new Refused(response.status, message);
}

// A header carries bytes: what is not ASCII goes as UTF-8, a byte a character.
const header = (token) => String.fromCharCode(...new TextEncoder().encode(token));

function request(path, options) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${header(token)}` } : {}) };
  return fetch(path, { ...options, headers, cache: "no-store" }).catch(() => {
    throw new Refused(0, "the server does not answer");
  });
}

export async function models() {
  for (let tried = 1; ; tried += 1) {
    const response = await request("/v1/models", {});
    if (response.ok) return response.json();
    if (response.status !== 503 || tried > 60) await fail(response);
    await wait(1);
  }
}

// Sends an image; `patient` waits and tries again where the server is busy.
export async function post(path, image, parameters, patient = true) {
  const headers = { "Content-Type": image.type || "application/octet-stream" };
  for (let tried = 1; ; tried += 1) {
    const response = await request(`${path}?${new URLSearchParams(parameters)}`, { method: "POST", headers, body: image });
    if (response.ok) return response.json();
    if (!patient || tried === TRIES || ![429, 503].includes(response.status)) await fail(response);
    await wait(Number(response.headers.get("Retry-After") || 1));
  }
}
