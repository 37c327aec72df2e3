// The settings: where the server is, and what it wants to know.

import { models, settings } from "./server.js";

const [form, address, token, said] = ["form", "address", "token", "said"].map((id) => document.getElementById(id));

async function begin() {
  document.getElementById("origin").textContent = location.origin;
  const kept = await settings();
  [address.value, token.value] = [kept.address, kept.token];
}

// Gives the address as it is kept: a server may lie below a path; null where it is none.
function tidy(text) {
  if (!URL.canParse(text)) return null;
  const { protocol, origin, pathname, search, hash, username } = new URL(text);
  return ["http:", "https:"].includes(protocol) && !search && !hash && !username ? (origin + pathname).replace(/\/+$/, "") : null;
}

async function save(event) {
  event.preventDefault();
  const found = tidy(address.value.trim());
  address.setAttribute("aria-invalid", String(found === null));
  if (found === null) {
    said.textContent = "That is no address: expected one such as http://127.0.0.1:8000";
    address.focus();
    return;
  }
  const asked = chrome.permissions.request({ origins: [`${new URL(found).origin}/*`] }); // at once: only a click may ask
  await chrome.storage.local.set({ address: found, token: token.value.trim() });
  address.value = found;
  said.textContent = "Saved. Trying the server\u2026";
  await asked.catch(() => false); // a server may let the extension in by itself
  try {
    said.textContent = `Saved. The server answers, with ${(await models()).join(" and ")}.`;
  } catch (error) {
    said.textContent = `Saved, but ${error.message}`;
  }
}

form.addEventListener("submit", save);
begin();
