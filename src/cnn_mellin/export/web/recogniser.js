// A worker: runs the model on recordings, so that the page stays responsive meanwhile.

import {env, InferenceSession, Tensor} from "./runtime/ort.wasm.bundle.min.js";
import {toInt16} from "./audio_file.js";
import {greedyPhones} from "./decoding.js";
import {resample} from "./resampling.js";

env.wasm.numThreads = 1; // several threads need headers that plain web servers do not send
env.wasm.wasmPaths = {wasm: new URL("runtime/ort-wasm-simd-threaded.wasm", import.meta.url).href};

const ready = load();
ready.then(() => postMessage({ready: true}), error => postMessage({fault: `The model cannot be loaded: ${error.message}`}));

async function load() {
  const found = await fetch("model.json");
  const [about, session] = await Promise.all([found.json(), InferenceSession.create("model.onnx")]);
  return {about, session};
}

/** Takes {samples, rateHz, round}, gives the recording at the model's sample rate, its phones and posteriors. */
onmessage = async ({data: {samples, rateHz, round}}) => {
  try {
    const {about, session} = await ready;
    let audio = resample(samples, rateHz, about.sample_rate_hz);
    if (round) audio = audio.map(sample => toInt16(sample) / 32768);
    const input = new Tensor("float32", audio.map(sample => sample * about.full_scale), [audio.length]);
    const {posteriors} = await session.run({audio: input});
    if (!posteriors.data.length) throw new Error("is too short for one frame of the model; use a longer recording");
    const durationS = audio.length / about.sample_rate_hz, shiftS = about.frame_shift_ms / 1000;
    const phones = greedyPhones(posteriors.data, about.phones, shiftS, durationS);
    postMessage({result: {samples: audio, durationS, shiftS, phones, posteriors: posteriors.data}});
  } catch (error) {
    postMessage({fault: error.message ?? String(error)});
  }
};
