// The switch for the page in the window.

import { inject } from "./pages.js";

const [mark, said] = ["mark", "said"].map((id) => document.getElementById(id));
const [tab] = await chrome.tabs.query({ active: true, lastFocusedWindow: true });
const target = { tabId: tab.id, allFrames: true };
let origins = [];

const read = () => inject(target, () => globalThis.fauxface.state());
const turn = (on) => inject(target, (value) => globalThis.fauxface.turn(value), [on]);
const sites = () => origins.map((origin) => new URL(origin).host).join(", ");

async function begin() {
  try {
    const states = (await read()).filter(Boolean);
    mark.checked = states.some((one) => one.marking);
    origins = [...new Set(states.flatMap((one) => one.origins))];
    mark.disabled = false;
    const asked = { origins: origins.map((origin) => `${origin}/*`) };
    if (origins.length && !(await chrome.permissions.contains(asked))) said.textContent = `Its images come from ${sites()}: the browser will ask whether fauxface may read them.`;
  } catch {
    said.textContent = "This page lets no extension in.";
  }
}

async function switched() {
  const on = mark.checked;
  const asked = on && origins.length ? chrome.permissions.request({ origins: origins.map((origin) => `${origin}/*`) }) : true; // at once: only a click may ask
  await turn(on);
  const granted = await Promise.resolve(asked).catch(() => false);
  said.textContent = granted ? "" : `Images of ${sites()} stay unread.`;
  if (granted && on && asked !== true) await turn(on); // once more: some may have been refused before
}

mark.addEventListener("change", switched);
document.getElementById("settings").addEventListener("click", () => chrome.runtime.openOptionsPage());
begin();
