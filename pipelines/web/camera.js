// The live view: frames go out one after the other, two at most on their way; the newest verdict is drawn.

import { post } from "/api.js";
import { NAMES, boxes, kindOf, percent } from "/draw.js";

const MOST = 2; // frames on their way
const QUALITY = 0.9;
const SPOKEN = 3000; // ms between sentences for those who listen
const KEPT = 60; // verdicts that the rate is taken of

const section = document.getElementById("camera");
const video = document.getElementById("video");
const overlay = document.getElementById("overlay");
const rate = document.getElementById("camera-rate");
const said = document.getElementById("camera-said");
const frame = document.createElement("canvas");

let run = null;

export const running = () => run !== null;

export async function start(model) {
  if (!navigator.mediaDevices) throw new Error("this browser gives no camera to pages that are not from this machine or https");
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 } } });
  run = { stream, model, sent: 0, flying: 0, shown: 0, times: [], spoken: -SPOKEN };
  section.hidden = false;
  video.srcObject = stream;
  await video.play();
  watch(run);
}

export function stop() {
  if (!run) return;
  for (const track of run.stream.getTracks()) track.stop();
  run = null;
  video.srcObject = null;
  section.hidden = true;
}

function watch(own) {
  if (run !== own) return;
  video.requestVideoFrameCallback((now, { captureTime }) => {
    if (run === own && own.flying < MOST && !document.hidden) send(own, captureTime ?? now);
    watch(own);
  });
}

async function send(own, began) {
  const number = (own.sent += 1);
  own.flying += 1;
  try {
    frame.width = video.videoWidth;
    frame.height = video.videoHeight;
    frame.getContext("2d", { alpha: false }).drawImage(video, 0, 0);
    const image = await new Promise((done) => frame.toBlob(done, "image/jpeg", QUALITY));
    const { results } = await post("/v1/score", image, { model: own.model() }, false);
    if (run === own && number > own.shown) {
      own.shown = number;
      show(own, results, began);
    }
  } catch (error) {
    if (run === own) {
      rate.textContent = `A frame was not judged: ${error.message}`;
      await new Promise((done) => setTimeout(done, 500));
    }
  } finally {
    own.flying -= 1;
  }
}

function show(own, rows, began) {
  overlay.width = video.videoWidth;
  overlay.height = video.videoHeight;
  const unit = overlay.width / (overlay.clientWidth || overlay.width);
  boxes(overlay.getContext("2d"), rows, 1, unit, (row) => `${NAMES[row.verdict]} ${percent(row.probability)}`);
  const now = performance.now();
  own.times.push({ now, took: now - began });
  own.times = own.times.slice(-KEPT);
  section.dispatchEvent(new CustomEvent("verdict", { detail: { now, took: now - began } }));
  tell(own, rows, now);
}

function tell(own, rows, now) {
  const took = own.times.map((one) => one.took).sort((a, b) => a - b);
  const median = took[Math.floor(took.length / 2)];
  const span = (now - own.times[0].now) / 1000;
  const second = span > 0 ? (own.times.length - 1) / span : 0;
  Object.assign(section.dataset, { verdicts: own.shown, median: median.toFixed(1), rate: second.toFixed(1) });
  rate.textContent = `${second.toFixed(0)} verdicts a second; ${median.toFixed(0)} ms from the frame to its box`;
  if (now - own.spoken < SPOKEN) return;
  own.spoken = now;
  said.textContent = rows
    .map((row) => (row.verdict === "no_face" ? "No face in view; that says nothing." : `${NAMES[kindOf(row)]}, ${percent(row.probability)}${row.reason ? `: ${row.reason}` : ""}`))
    .join("; ");
}
