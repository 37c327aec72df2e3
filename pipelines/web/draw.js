// How verdicts look: their names, their colours, and boxes on pictures.

export const NAMES = { fake: "fake", real: "real", uncertain: "uncertain", no_face: "no face", failed: "failed" };

const COLOURS = { fake: ["#ff9a5c", "#1a1a1a"], real: ["#6cb8f0", "#1a1a1a"], uncertain: ["#e8c650", "#1a1a1a"] };

export const kindOf = (row) => (row.error ? "failed" : row.verdict);

export const percent = (probability) => `${Math.round(100 * probability)} %`;

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function bar(probability) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [key, value] of Object.entries({ viewBox: "0 0 100 1", preserveAspectRatio: "none", class: "chance", "aria-hidden": "true" }))
    svg.setAttribute(key, value);
  rect.setAttribute("width", String(100 * probability));
  rect.setAttribute("height", "1");
  svg.append(rect);
  return svg;
}

// Draws a box over each face; `scale` is pixels of the canvas for one of the picture, `unit` for one of the screen.
export function boxes(context, rows, scale, unit, label) {
  context.font = `600 ${Math.round(13 * unit)}px system-ui, sans-serif`;
  context.textBaseline = "top";
  rows.forEach((row, index) => {
    if (!row.face) return;
    const [x, y, width, height] = row.face.map((value) => value * scale);
    const [colour, ink] = COLOURS[row.verdict];
    context.lineWidth = 4 * unit;
    context.strokeStyle = ink;
    context.strokeRect(x, y, width, height);
    context.lineWidth = 2 * unit;
    context.strokeStyle = colour;
    context.strokeRect(x, y, width, height);
    const text = label(row, index);
    if (!text) return;
    const [wide, high] = [context.measureText(text).width + 8 * unit, 18 * unit];
    const left = Math.max(0, Math.min(x, context.canvas.width - wide));
    const top = y >= high ? y - high : Math.min(y + height, context.canvas.height - high);
    context.fillStyle = colour;
    context.fillRect(left, top, wide, high);
    context.fillStyle = ink;
    context.fillText(text, left + 4 * unit, top + 2 * unit);
  });
}

// Makes a small picture of an image with its boxes; null where the browser cannot show such an image.
export async function preview(image, rows) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(image);
  } catch {
    return null;
  }
  const scale = Math.min(1, 384 / Math.max(bitmap.width, bitmap.height));
  const canvas = element("canvas", { role: "img", "aria-label": "The image, with a box over each face" });
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  boxes(context, rows, scale, canvas.width / 192, (row, index) => (rows.length > 1 ? String(index + 1) : ""));
  return canvas;
}
