// The service worker: the entry in the menu of images, and the checks that pages ask for.

import { check } from "./check.js";
import { inject, origin } from "./pages.js";

const MENU = "check";

chrome.runtime.onInstalled.addListener(() => {
  chrome.contextMenus.create({ id: MENU, title: "Check this face image", contexts: ["image"] });
});
chrome.storage.local.setAccessLevel({ accessLevel: "TRUSTED_CONTEXTS" }); // or pages' scripts could read the token

// Asks for the sites whose images have to be read by this worker: those that the page itself may not read.
function allowed({ srcUrl, frameUrl, pageUrl }) {
  const [page, frame] = [origin(pageUrl), origin(frameUrl ?? pageUrl)];
  const foreign = [frame !== page && frame, srcUrl.startsWith("http") && origin(srcUrl) !== frame && origin(srcUrl)];
  const origins = foreign.filter(Boolean).map((one) => `${one}/*`);
  return origins.length ? chrome.permissions.request({ origins }) : true;
}

async function clicked(info, tab) {
  const asked = allowed(info); // before anything is waited for: only a click may ask
  await Promise.resolve(asked).catch(() => false); // refused: the image then says that it cannot be read
  const run = (frames) => inject({ tabId: tab.id, frameIds: [frames] }, (src) => void globalThis.fauxface.check(src), [info.srcUrl]);
  try {
    await run(info.frameId ?? 0).catch(() => run(0));
  } catch {
    chrome.action.setBadgeText({ tabId: tab.id, text: "!" });
    chrome.action.setTitle({ tabId: tab.id, title: "fauxface: this page lets no extension in" });
  }
}

chrome.contextMenus.onClicked.addListener(clicked);
chrome.runtime.onMessage.addListener((message, sender, answer) => {
  check(message.src, message.data).then(
    (found) => answer({ found }),
    (error) => answer({ error: error.message }),
  );
  return true; // the answer comes later
});
