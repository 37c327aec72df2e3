// Reads an image and has the server judge it. Nothing is sent to anyone else.

import { post } from "./server.js";

const MOST = 2; // images on their way
const waiting = [];
let flying = 0;

function turn() {
  if (flying < MOST) flying += 1;
  else return new Promise((go) => waiting.push(go));
}

function leave() {
  const next = waiting.shift();
  if (next) next();
  else flying -= 1;
}

async function read(src) {
  const { protocol, origin, host } = new URL(src);
  if (!["http:", "https:"].includes(protocol)) throw new Error("an image at such an address cannot be read");
  const granted = await chrome.permissions.contains({ origins: [`${origin}/*`] });
  let response;
  try {
    response = await fetch(src, { credentials: granted ? "include" : "omit", cache: "force-cache" });
  } catch {
    throw new Error(granted ? `${host} does not answer` : `the image cannot be read: allow fauxface to read images of ${host}`);
  }
  if (!response.ok) throw new Error(`${host} answered ${response.status} instead of the image`);
  return response.blob();
}

// Its size in pixels tells where a face is on the page, whatever size it has there.
async function size(image) {
  try {
    const bitmap = await createImageBitmap(image);
    const { width, height } = bitmap;
    bitmap.close();
    return { width, height };
  } catch {
    return { width: null, height: null };
  }
}

// Gives the rows of an image and its size in pixels; `data` holds it where the page could read it, as a data URL.
export async function check(src, data) {
  await turn();
  try {
    const image = data || src.startsWith("data:") ? await (await fetch(data || src)).blob() : await read(src);
    const { results } = await post("/v1/score", image);
    return { rows: results, ...(await size(image)) };
  } finally {
    leave();
  }
}
