// Draws verdicts over images and in a note, in a closed shadow tree: the page neither styles nor reads them.

globalThis.fauxface ??= (() => {
  const NAMES = { fake: "fake", real: "real", uncertain: "uncertain", no_face: "no face", failed: "not judged" };
  const STYLE = `
    :host { all: initial !important; position: fixed !important; inset: 0 !important; z-index: 2147483647 !important;
      pointer-events: none !important; }
    .mark { position: absolute; overflow: hidden; font: 600 13px/18px system-ui, sans-serif; color: #1a1a1a; }
    .face { position: absolute; border: 2px solid var(--tone); outline: 1px solid #1a1a1a; box-sizing: border-box; }
    .label { position: absolute; padding: 0 4px; background: var(--tone); white-space: nowrap; }
    .fake { --tone: #ff9a5c; } .real { --tone: #6cb8f0; } .uncertain { --tone: #e8c650; }
    .no_face, .failed, .waiting { --tone: #e8e8e8; } .failed { white-space: normal; overflow-wrap: anywhere; }
    .label.failed { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: var(--lines); overflow: hidden; }
    .note { position: absolute; right: 16px; bottom: 16px; width: min(24rem, calc(100vw - 32px)); box-sizing: border-box;
      max-height: calc(100vh - 32px); overflow: auto; padding: 12px 16px; background: #fff; color: #1a1a1a; border: 1px solid #5a5a5a; border-radius: 8px;
      font: 15px/1.45 system-ui, sans-serif; pointer-events: auto; overflow-wrap: anywhere; }
    .note p { margin: 0 0 6px; } .note .said { font-weight: 700; } .note .small { font-size: 13px; color: #5a5a5a; }
    .note button { font: inherit; color: inherit; background: #f3f3f3; border: 1px solid #5a5a5a; border-radius: 5px;
      min-height: 32px; padding: 2px 12px; cursor: pointer; }
    .note button:focus-visible { outline: 3px solid #0b62a4; outline-offset: 2px; }
    @media (prefers-color-scheme: dark) {
      .note { background: #161616; color: #e8e8e8; border-color: #aaa; } .note .small { color: #aaa; }
      .note button { background: #242424; border-color: #aaa; }
      .note button:focus-visible { outline-color: #6cb8f0; }
    }`;
  const host = document.createElement("fauxface-marks");
  const root = host.attachShadow({ mode: "closed" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  const marks = new Map(); // image -> what is drawn over it, and what of
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const mark = marks.get(target);
      if (mark) mark.element.hidden = !isIntersecting;
    }
    follow();
  });

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  const kindOf = (row) => (row.error ? "failed" : row.verdict);
  const percent = (probability) => `${Math.round(100 * probability)} %`;
  const chance = (row) => (row.probability === null ? "" : percent(row.probability));

  // Tells where the pixels of an image lie in the window: object-fit, object-position, borders and scaling included.
  function place(image) {
    const [style, rect] = [getComputedStyle(image), image.getBoundingClientRect()];
    const px = (name) => parseFloat(style[name]) || 0;
    const natural = [image.naturalWidth || 1, image.naturalHeight || 1];
    const box = [image.clientWidth - px("paddingLeft") - px("paddingRight"), image.clientHeight - px("paddingTop") - px("paddingBottom")];
    const [across, down] = box.map((side, axis) => side / natural[axis]);
    const [least, most] = [Math.min(across, down), Math.max(across, down)];
    const fits = { contain: [least, least], cover: [most, most], none: [1, 1], "scale-down": [Math.min(1, least), Math.min(1, least)] };
    const shown = (fits[style.objectFit] ?? [across, down]).map((scale, axis) => scale * natural[axis]);
    const at = style.objectPosition.split(" ").map((value, axis) => (value.endsWith("%") ? ((box[axis] - shown[axis]) * parseFloat(value)) / 100 : parseFloat(value)));
    const stretch = [rect.width / (image.offsetWidth || 1), rect.height / (image.offsetHeight || 1)];
    const start = [px("borderLeftWidth") + px("paddingLeft") + at[0], px("borderTopWidth") + px("paddingTop") + at[1]];
    return { rect, start: start.map((value, axis) => value * stretch[axis]), size: shown.map((value, axis) => value * stretch[axis]) };
  }

  function move(element, values) {
    for (const [name, value] of Object.entries(values)) element.style[name] = `${Math.round(value)}px`;
  }

  function lay(image, { element: mark, answer }) {
    const { rect, start, size } = place(image);
    move(mark, { left: rect.left, top: rect.top, width: rect.width, height: rect.height });
    mark.style.setProperty("--lines", Math.max(1, Math.floor(rect.height / 18)));
    for (const child of mark.querySelectorAll("[data-row]")) {
      const face = answer.rows[child.dataset.row].face;
      const [x, y, width, height] = face.map((value, at) => (value * size[at % 2]) / (at % 2 ? answer.height : answer.width));
      const [left, top] = [start[0] + x, start[1] + y];
      if (child.className.startsWith("face")) move(child, { left, top, width, height });
      else move(child, { left: Math.max(0, Math.min(left, rect.width - child.offsetWidth)), top: top >= 18 ? top - 18 : Math.min(top + height, rect.height - 18) });
    }
  }

  function follow() {
    for (const [image, mark] of marks) {
      if (!image.isConnected) wipe(image);
      else if (!mark.element.hidden) lay(image, mark);
    }
  }

  function attach() {
    if (!host.isConnected) document.documentElement.append(host);
  }

  function wipe(image) {
    marks.get(image)?.element.remove();
    marks.delete(image);
    seen.unobserve(image);
  }

  // Draws over an image what came of it: null while that is awaited.
  function mark(image, answer) {
    wipe(image);
    const made = element("div", { class: "mark" });
    const label = (kind, text, row) => made.append(element("span", { class: `label ${kind}`, ...row }, text));
    if (!answer) label("waiting", "checking\u2026");
    else if (answer.error) label("failed", `${NAMES.failed}: ${answer.error}`);
    else {
      answer.rows.forEach((row, index) => {
        const at = row.face && answer.width ? { "data-row": index } : {};
        if (at["data-row"] !== undefined) made.append(element("div", { class: `face ${kindOf(row)}`, ...at }));
        label(kindOf(row), `${NAMES[kindOf(row)]} ${chance(row)}`.trim(), at);
      });
    }
    attach();
    root.append(made);
    marks.set(image, { element: made, answer });
    lay(image, marks.get(image));
    seen.observe(image);
  }

  // Says in full, in a corner of the window, what came of an image.
  function note(answer) {
    root.querySelector(".note")?.remove();
    const close = element("button", { type: "button" }, "Close");
    const made = element("div", { class: "note", role: "status", "aria-label": "fauxface" });
    if (!answer) made.append(element("p", {}, "Checking the image\u2026"));
    else if (answer.error) made.append(element("p", { class: "said" }, `${NAMES.failed}: ${answer.error}`));
    else made.append(...answer.rows.flatMap((row, index) => sentences(row, answer.rows.length > 1 ? `face ${index + 1}: ` : "")));
    if (answer && !answer.error) made.append(element("p", { class: "small" }, "Evidence about the statistics of an image, never proof about a person."));
    close.addEventListener("click", () => made.remove());
    made.append(close);
    attach();
    root.append(made);
  }

  function sentences(row, number) {
    const kind = kindOf(row);
    const probability = row.probability === null ? "" : `, probability ${chance(row)} (${row.model.name})`;
    const reason = row.error?.message ?? row.reason;
    return [element("p", { class: "said" }, number + NAMES[kind] + probability), ...(reason ? [element("p", {}, reason)] : [])];
  }

  for (const event of ["scroll", "resize"]) addEventListener(event, follow, { capture: true, passive: true });
  document.addEventListener("load", follow, true); // such events of elements do not reach the window
  setInterval(() => marks.size && follow(), 250); // pages move images without a word
  return { marks: { mark, note, wipe, images: () => [...marks.keys()] } };
})();
