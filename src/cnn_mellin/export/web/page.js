// The page: takes recordings, hands them to the recogniser, shows its results.

import {readAudioFile, wavFile} from "./audio_file.js";
import {drawFigure} from "./figure.js";
import {startRecording} from "./recording.js";

const MOST_SECONDS = 60;

const element = id => document.getElementById(id);
let shown = null; // the last result
let source = {name: "", recorded: false}; // of the recording that is being recognised or shown
let pixelsPerSecond = 0; // of the figure
let recording = null; // the microphone, while it is open
let busy = true; // nothing can be recorded or chosen now

const about = await fetch("model.json").then(found => found.json()).catch(error => {
  tell(`The model's description cannot be loaded: ${error.message}`, true);
  throw error;
});
const recogniser = new Worker("recogniser.js", {type: "module"});

element("training").textContent = about.corpus
  ? `A model trained on ${about.corpus} recognises the ${about.phones.length} phones of that corpus.`
  : `A model recognises ${about.phones.length} phones; the recordings that it was trained on are not stated.`;
document.querySelector("#symbols p").textContent = about.phones.join(" ");
element("limit").textContent = `at most ${MOST_SECONDS} seconds`;

recogniser.onmessage = ({data: {ready, fault, result}}) => {
  if (fault) return tell(source.name ? `${source.name}: ${fault}` : fault, true);
  if (ready) {
    setBusy(false);
    return tell("Ready.");
  }
  shown = result;
  show();
};
recogniser.onerror = event => tell(`The recogniser cannot be loaded: ${event.message ?? "see the console"}`, true);

// Buttons that are disabled would lose the keyboard's focus; these do nothing meanwhile, and say so.
function setBusy(now) {
  busy = now;
  for (const id of ["record", "file"]) element(id).setAttribute("aria-disabled", now);
}

function tell(message, isFault = false) {
  element("status").textContent = message;
  element("status").classList.toggle("fault", isFault);
  if (isFault) setBusy(false);
}

function recognise(samples, rateHz, name, recorded) {
  source = {name, recorded};
  const seconds = samples.length / rateHz;
  if (seconds > MOST_SECONDS) {
    return tell(`${name}: is ${seconds.toFixed(1)} s long; cut it into pieces of at most ${MOST_SECONDS} s`, true);
  }
  setBusy(true);
  tell(`Recognising ${name} …`);
  // A recording is rounded to 16 bits, so that the file that can be saved holds exactly what was recognised.
  recogniser.postMessage({samples, rateHz, round: recorded});
}

async function recogniseFile(file) {
  if (!file || recording || busy) return;
  source = {name: file.name, recorded: false};
  setBusy(true);
  tell(`Reading ${file.name} …`);
  try {
    const {samples, rateHz} = await readAudioFile(file, about.sample_rate_hz);
    recognise(samples, rateHz, file.name, false);
  } catch (error) {
    tell(`${file.name}: ${error.message}`, true);
  }
}

async function record() {
  const button = element("record");
  setBusy(true);
  const blocks = [];
  let numSamples = 0;
  const keep = block => {
    blocks.push(block);
    numSamples += block.length;
    element("level").value = block.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 0);
    if (!recording) return;
    const seconds = numSamples / recording.rateHz;
    button.textContent = `Stop (${Math.floor(seconds)} s)`;
    if (numSamples + block.length > MOST_SECONDS * recording.rateHz) recording.finish();
  };
  try {
    recording = await startRecording(keep);
  } catch (error) {
    return tell(error.message, true);
  }
  const {rateHz, stop} = recording;
  recording.finish = () => {
    stop();
    recording = null;
    button.textContent = "Record";
    button.classList.remove("recording");
    element("level").hidden = true;
    const samples = new Float32Array(numSamples);
    let place = 0;
    for (const block of blocks) {
      samples.set(block, place);
      place += block.length;
    }
    recognise(samples, rateHz, "your recording", true);
  };
  setBusy(false);
  button.textContent = "Stop";
  button.classList.add("recording");
  element("level").hidden = false;
  tell("Recording …");
}

function show() {
  const {samples, durationS, phones} = shown;
  element("result").hidden = false;
  element("title").textContent = `${source.name}: ${phones.length} phones in ${durationS.toFixed(2)} s`;
  element("sequence").textContent = phones.map(({symbol}) => symbol).join(" ") || "(no phones)";
  URL.revokeObjectURL(element("audio").src);
  const wav = URL.createObjectURL(wavFile(samples, about.sample_rate_hz));
  element("audio").src = element("save").href = wav;
  element("save").hidden = !source.recorded;
  element("phones").replaceChildren(...phones.map(phoneRow));
  const sequence = phones.map(({symbol}) => symbol).join(" ");
  element("panels").setAttribute(
    "aria-label",
    `Spectrogram and posteriors of ${durationS.toFixed(2)} seconds, with ${phones.length} phones: ${sequence}. ` +
      "The table below has their times.",
  );
  draw();
  setBusy(false);
  tell(`${phones.length} phones recognised in ${source.name}.`);
}

function phoneRow({symbol, startS, endS, posterior}) {
  const row = document.createElement("tr"), head = document.createElement("th");
  head.scope = "row";
  head.textContent = symbol;
  row.append(head);
  for (const text of [startS.toFixed(3), endS.toFixed(3), posterior.toFixed(2)]) {
    row.insertCell().textContent = text;
  }
  return row;
}

function draw() {
  if (!shown) return;
  pixelsPerSecond = drawFigure(element("names"), element("panels"), shown, about.phones, about.sample_rate_hz);
  moveCursor();
}

function moveCursor() {
  const audio = element("audio"), cursor = element("cursor");
  cursor.hidden = !audio.currentTime;
  cursor.style.left = `${element("panels").offsetLeft + audio.currentTime * pixelsPerSecond}px`;
  if (!audio.paused) requestAnimationFrame(moveCursor);
}

element("record").addEventListener("click", () => {
  if (recording) recording.finish();
  else if (!busy) record();
});
element("file").addEventListener("click", event => {
  if (busy || recording) event.preventDefault();
});
element("file").addEventListener("change", async event => {
  await recogniseFile(event.target.files[0]);
  event.target.value = ""; // so that the same file can be chosen again
});
element("panels").addEventListener("click", event => {
  element("audio").currentTime = event.offsetX / pixelsPerSecond;
  element("audio").play();
});
for (const event of ["play", "seeked", "emptied"]) element("audio").addEventListener(event, moveCursor);
addEventListener("dragover", event => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
addEventListener("dragleave", event => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
addEventListener("drop", event => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  recogniseFile(event.dataTransfer.files[0]);
});
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== width) draw();
  width = innerWidth;
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
