// The explanation of a verdict, in a dialog.

import { post } from "/api.js";
import { NAMES, element, kindOf, percent } from "/draw.js";

const dialog = document.getElementById("why");
const body = document.getElementById("why-body");
let asked = 0;

document.getElementById("why-close").addEventListener("click", () => dialog.close());

const signed = (value) => `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(2)}`;

function families(found) {
  const rows = Object.entries(found).sort((a, b) => Math.abs(b[1].total) - Math.abs(a[1].total));
  const table = element("table", {}, element("caption", {}, "By family of measurements, in log odds"));
  const heads = ["family", "in all", "for fake", "for real"].map((name) => element("th", { scope: "col" }, name));
  table.append(element("thead", {}, element("tr", {}, ...heads)));
  const cells = (share) => [share.total, share.fake, share.real].map((value) => element("td", { class: "number" }, signed(value)));
  table.append(element("tbody", {}, ...rows.map(([name, share]) => element("tr", {}, element("th", { scope: "row" }, name), ...cells(share)))));
  return table;
}

function figure({ title, text, png }) {
  const image = element("img", { src: `data:image/png;base64,${png}`, alt: title });
  return element("figure", {}, image, element("figcaption", {}, element("strong", {}, title), text));
}

function show(found, pictures) {
  const kind = kindOf(found.verdict);
  const said = element("p", { class: `said ${kind}` }, NAMES[kind], element("span", {}, `, probability ${percent(found.verdict.probability)}`));
  const parts = [said];
  if (found.verdict.reason) parts.push(element("p", { class: "reason" }, found.verdict.reason));
  parts.push(element("p", {}, found.summary));
  const order = ["Evidence map", "In the picture", "Measured"];
  const rank = (picture) => (order.includes(picture.title) ? order.indexOf(picture.title) : order.length);
  parts.push(element("div", { class: "pictures" }, ...[...pictures].sort((a, b) => rank(a) - rank(b)).map(figure)));
  parts.push(element("h3", {}, "What counted most"));
  parts.push(element("ul", {}, ...found.features.map((one) => element("li", {}, `${signed(one.contribution)}: ${one.sentence}`))));
  parts.push(families(found.families));
  body.replaceChildren(...parts);
}

// Explains one face of an image; the answer is kept with the result for the next face.
export async function explain(result, index) {
  const number = (asked += 1);
  document.getElementById("why-title").textContent = `Why: ${result.name}${result.rows.length > 1 ? `, face ${index + 1}` : ""}`;
  body.replaceChildren(element("p", { role: "status" }, "Taking the verdict apart\u2026"));
  if (!dialog.open) dialog.showModal();
  try {
    result.why ??= post("/v1/explain", result.image, { model: result.model });
    const { results, pictures } = await result.why;
    if (number === asked) show(results[index], pictures[index]);
  } catch (error) {
    result.why = undefined;
    if (number === asked) body.replaceChildren(element("p", { role: "alert" }, `This cannot be explained: ${error.message}`));
  }
}
