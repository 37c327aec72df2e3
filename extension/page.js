// In a page: has images checked, one that was clicked or all that come into view.

globalThis.fauxface.check ??= (() => {
  const { mark, note, wipe, images } = globalThis.fauxface.marks;
  const LEAST = 64; // pixels a side; what is smaller is an ornament
  const answers = new Map(); // address -> promise of what came of it
  let marking = false;

  const address = (image) => image.currentSrc || image.src;
  const large = (image) => image.complete && Math.min(image.naturalWidth, image.naturalHeight) >= LEAST;

  // Reads what the page itself may read; the worker has to read the rest.
  async function read(src) {
    if (!src.startsWith("blob:") && new URL(src).origin !== location.origin) return null;
    const response = await fetch(src, { cache: "force-cache" }).catch(() => null);
    if (!response?.ok) return null;
    const reader = new FileReader();
    reader.readAsDataURL(await response.blob());
    await new Promise((done) => reader.addEventListener("loadend", done));
    return reader.result;
  }

  async function ask(src) {
    try {
      const { found, error } = await chrome.runtime.sendMessage({ src, data: await read(src) });
      return found ?? { error };
    } catch {
      return { error: "the extension was replaced: load this page again" };
    }
  }

  // What failed may go well the next time, so it is not kept.
  async function answer(src) {
    if (!answers.has(src)) answers.set(src, ask(src));
    const found = await answers.get(src);
    if (found.error) answers.delete(src);
    return found;
  }

  async function check(src) {
    const shown = [...document.images].filter((image) => address(image) === src);
    for (const image of shown) mark(image, null);
    note(null);
    const found = await answer(src);
    for (const image of shown) mark(image, found);
    note(found);
  }

  async function show(image) {
    const src = address(image);
    mark(image, null);
    const found = await answer(src);
    if (marking && address(image) === src) mark(image, found);
  }

  const inView = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting || !large(target)) continue;
      inView.unobserve(target);
      show(target);
    }
  });
  const look = ({ target }) => {
    if (!marking || !(target instanceof HTMLImageElement)) return;
    wipe(target);
    inView.unobserve(target);
    inView.observe(target);
  };
  document.addEventListener("load", look, true); // every image that comes later, and every one that changes

  function turn(on) {
    marking = on;
    inView.disconnect();
    if (on) for (const image of document.images) inView.observe(image);
    else for (const image of images()) wipe(image);
  }

  // Tells whether faces are marked, and which sites the page has its images from.
  function state() {
    const foreign = [...document.images].map(address).filter((src) => src.startsWith("http")).map((src) => new URL(src).origin);
    return { marking, origins: [...new Set(foreign)].filter((origin) => origin !== location.origin) };
  }

  Object.assign(globalThis.fauxface, { turn, state });
  return check;
})();
