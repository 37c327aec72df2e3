// What the worker and the popup do to pages.

export function origin(address) {
  try {
    return new URL(address).origin;
  } catch {
    return null;
  }
}

// Runs a function in frames of a page, which hold `fauxface` then; gives what it returned in each.
export async function inject(target, func, args = []) {
  await chrome.scripting.executeScript({ target, files: ["marks.js", "page.js"] });
  const results = await chrome.scripting.executeScript({ target, func, args });
  return results.map((one) => one.result);
}
