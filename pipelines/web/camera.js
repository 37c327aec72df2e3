// The live view: frames go out one after the other, two at most on their way; the newest verdict is drawn. Where faces
// were seen, only what lies around them goes out, and the whole frame now and then, for those that come.

import { post } from "/api.js";
import { NAMES, boxes, kindOf, percent } from "/draw.js";

const MOST = 2; // frames on their way
const QUALITY = 0.9;
const SPOKEN = 3000; // ms between sentences for those who listen
const KEPT = 60; // verdicts that the rate is taken of
const AROUND = 3; // sides of the largest face that the part of a frame shows, beside what lies between the faces
const WHOLE = 500; // ms between whole frames

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
  run = { stream, model, sent: 0, flying: 0, shown: 0, times: [], spoken: -SPOKEN, faces: [], whole: -WHOLE };
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
    const [left, top, width, height] = part(own);
    Object.assign(frame, { width, height });
    frame.getContext("2d", { alpha: false }).drawImage(video, left, top, width, height, 0, 0, width, height);
    const image = await new Promise((done) => frame.toBlob(done, "image/jpeg", QUALITY));
    const { results } = await post("/v1/score", image, { model: own.model() }, false);
    if (run === own && number > own.shown) {
      own.shown = number;
      const rows = results.map((row) => (row.face ? { ...row, face: moved(row.face, left, top) } : row));
      own.faces = rows.map((row) => row.face ?? []);
      show(own, rows, began);
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

const moved = ([x, y, ...size], left, top) => [x + left, y + top, ...size];

// What of the frame to send, as left, top, width and height: around the faces of the last verdict, all else.
function part(own) {
  const [wide, high, now] = [video.videoWidth, video.videoHeight, performance.now()];
  const seen = own.faces.length > 0 && own.faces.every((face) => face.length > 0);
  if (!seen || now - own.whole > WHOLE) {
    own.whole = now;
    return [0, 0, wide, high];
  }
  const room = ((AROUND - 1) / 2) * Math.max(...own.faces.map((face) => face[2]));
  const span = (at, most) => {
    const first = Math.min(...own.faces.map((face) => face[at])) - room;
    const last = Math.max(...own.faces.map((face) => face[at] + face[at + 2])) + room;
    const length = Math.min(Math.ceil(last - first), most);
    return [Math.max(0, Math.min(Math.round(first), most - length)), length];
  };
  const [[left, width], [top, height]] = [span(0, wide), span(1, high)];
  return [left, top, width, height];
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
