// The server of the settings: the only one that anything is sent to.

export const ADDRESS = "http://127.0.0.1:8000";

const TRIES = 4;

export async function settings() {
  return chrome.storage.local.get({ address: ADDRESS, token: "" });
}

// A header carries bytes: what is not ASCII goes as UTF-8, a byte a character.
const header = (token) => String.fromCharCode(...new TextEncoder().encode(token));
const wait = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

async function request(path, options) {
  const { address, token } = await settings();
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${header(token)}` } : {}) };
  try {
    const shut = { credentials: "omit", redirect: "error", referrerPolicy: "no-referrer", cache: "no-store" };
    return await fetch(address + path, { ...options, ...shut, headers });
  } catch {
    throw new Error(`no answer from the server at ${address}: is it running (python cli.py serve), and allowed in the settings?`);
  }
}

async function fail(response) {
  if (response.status === 401) throw new Error("the server wants its token: give it in the settings");
  const said = await response.json().catch(() => null);
  throw new Error(said?.error?.message ?? `the server answered ${response.status}`);
}

export async function post(path, image) {
  const headers = { "Content-Type": image.type.startsWith("image/") ? image.type : "application/octet-stream" };
  for (let tried = 1; ; tried += 1) {
    const response = await request(path, { method: "POST", headers, body: image });
    if (response.ok) return response.json();
    if (tried === TRIES || ![429, 503].includes(response.status)) await fail(response);
    await wait(Number(response.headers.get("Retry-After") || 1));
  }
}

export async function models() {
  const response = await request("/v1/models", {});
  if (!response.ok) await fail(response);
  return (await response.json()).models.map((one) => one.name);
}
