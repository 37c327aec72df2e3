// The page: takes images, has them judged, lists the verdicts. They live as long as the page does.

import { keepToken, models, post } from "/api.js";
import * as camera from "/camera.js";
import { NAMES, bar, element, kindOf, percent, preview } from "/draw.js";
import { explain } from "/why.js";

const MOST = 2; // images on their way
const at = (id) => document.getElementById(id);
const [status, list, files, model, toggle] = ["status", "list", "files", "model", "camera-switch"].map(at);
const queue = [];
let [flying, done, given] = [0, 0, 0];

async function begin() {
  at("unlock").hidden = true;
  status.textContent = "The server is starting\u2026";
  try {
    const found = await models();
    model.replaceChildren(...found.models.map((one) => {
      const more = { fast: " (quick)", full: " (slower, and surer)" }[one.model] ?? "";
      return Object.assign(element("option", { value: one.model }, one.name + more), { points: one.points });
    }));
    status.textContent = "";
    mean();
  } catch (error) {
    status.textContent = error.status === 401 ? "" : `Nothing can be judged: ${error.message}`;
    if (error.status === 401) lock();
  }
}

function lock() {
  at("unlock").hidden = false;
  at("token").focus();
}

function mean() {
  const { fake_from: fake, real_below: real } = model.selectedOptions[0].points;
  document.querySelector(".fake-from").textContent = ` (${percent(fake)})`;
  document.querySelector(".real-below").textContent = ` (${percent(real)})`;
}

function take(images) {
  for (const image of images) queue.push({ image, name: image.name || "pasted image", model: model.value });
  given += images.length;
  next();
}

function next() {
  while (queue.length && flying < MOST) {
    flying += 1;
    judge(queue.shift()).finally(() => {
      [flying, done] = [flying - 1, done + 1];
      tell();
      next();
    });
  }
  tell();
}

function tell() {
  const left = given - done;
  if (left) status.textContent = `Judging: ${left} ${left === 1 ? "image" : "images"} to go\u2026`;
  else if (given) status.textContent = given === 1 ? "Judged 1 image; the newest verdict stands first." : `Judged ${given} images; the newest verdicts stand first.`;
}

async function judge(result) {
  let rows;
  try {
    rows = (await post("/v1/score", result.image, { model: result.model })).results;
  } catch (error) {
    if (error.status === 401) lock();
    rows = [{ error: { message: error.message }, path: null }];
  }
  const packed = rows.some((row) => row.path !== null);
  for (const own of packed ? apart(result, rows) : [{ ...result, rows }]) list.prepend(await item(own));
  at("results").hidden = false;
}

// The rows of a zip belong to several images, which the page does not have one by one.
function apart(result, rows) {
  const names = [...new Set(rows.map((row) => row.path))];
  return names.map((name) => ({ ...result, image: null, name: `${result.name}: ${name}`, rows: rows.filter((row) => row.path === name) }));
}

async function item(result) {
  const picture = (result.image && (await preview(result.image, result.rows))) || element("div", { class: "none" }, "no preview");
  const faces = element("ul", { class: "faces" }, ...result.rows.map((row, index) => line(result, row, index)));
  return element("li", {}, picture, element("div", {}, element("h3", {}, result.name), faces));
}

function line(result, row, index) {
  const kind = kindOf(row);
  const number = result.rows.length > 1 ? `face ${index + 1}: ` : "";
  const said = element("p", { class: `said ${kind}` }, number + NAMES[kind]);
  if (!row.error && row.probability !== null) said.append(element("span", {}, `, probability ${percent(row.probability)} (${row.model.name})`), bar(row.probability));
  const reason = row.error ? row.error.message : row.reason;
  const found = element("li", {}, element("div", {}, said, ...(reason ? [element("p", { class: "reason" }, reason)] : [])));
  if (result.image && !row.error && row.probability !== null) {
    const why = element("button", { type: "button", "aria-label": `Why: ${result.name}${number ? `, face ${index + 1}` : ""}` }, "Why?");
    why.addEventListener("click", () => explain(result, index));
    found.append(why);
  }
  return found;
}

async function turn() {
  if (camera.running()) camera.stop();
  else {
    try {
      await camera.start(() => model.value);
    } catch (error) {
      camera.stop();
      status.textContent = `No camera: ${error.message}`;
    }
  }
  toggle.setAttribute("aria-pressed", String(camera.running()));
  toggle.textContent = camera.running() ? "Stop the camera" : "Start the camera";
}

files.addEventListener("change", () => {
  take([...files.files]);
  files.value = "";
});
document.addEventListener("paste", (event) => take([...event.clipboardData.files]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
for (const name of ["dragleave", "drop"]) document.addEventListener(name, () => document.body.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  take([...event.dataTransfer.files]);
});
model.addEventListener("change", mean);
toggle.addEventListener("click", turn);
at("clear").addEventListener("click", () => {
  list.replaceChildren();
  at("results").hidden = true;
  status.textContent = "";
});
at("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(at("token").value);
  begin();
});
begin();
