// Audio files. 16-bit WAV and NIST SPHERE are read here, sample for sample; the browser decodes every other format.

const UNKNOWN_SIZE = 0xffffffff; // written by programs that do not know the length yet

/**
 * Read a file: {samples, rateHz}, one channel (the mean of all), full scale 1.
 *
 * WAV, FLAC and SPHERE keep their own sample rate; the browser resamples other formats to `modelRateHz`.
 */
export async function readAudioFile(file, modelRateHz) {
  const content = await file.arrayBuffer();
  const read = readWav(content) ?? readSphere(content);
  if (read) return read;
  const context = new OfflineAudioContext(1, 1, headerRate(content) ?? modelRateHz);
  let decoded;
  try {
    decoded = await context.decodeAudioData(content);
  } catch {
    throw new Error("is not an audio file that this browser can read; save it as 16-bit WAV");
  }
  const channels = Array.from({length: decoded.numberOfChannels}, (_, number) => decoded.getChannelData(number));
  return {
    samples: channels[0].map((_, place) => channels.reduce((sum, channel) => sum + channel[place], 0) / channels.length),
    rateHz: decoded.sampleRate,
  };
}

/** A 16-bit WAV file of these samples at a sample rate. */
export function wavFile(samples, rateHz) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const write = (place, text) => [...text].forEach((c, i) => view.setUint8(place + i, c.charCodeAt(0)));
  write(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rateHz, true);
  view.setUint32(28, 2 * rateHz, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  write(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => view.setInt16(44 + 2 * i, toInt16(sample), true));
  return new Blob([view.buffer], {type: "audio/wav"});
}

/** The nearest 16-bit integer of a sample with full scale 1. */
export function toInt16(sample) {
  return Math.max(-32768, Math.min(32767, Math.round(32768 * sample)));
}

function readWav(content) {
  const view = new DataView(content);
  if (textAt(view, 0, 4) !== "RIFF" || textAt(view, 8, 4) !== "WAVE") return null;
  let form = null;
  for (let place = 12; place + 8 <= view.byteLength; ) {
    const name = textAt(view, place, 4), size = view.getUint32(place + 4, true), start = place + 8;
    if (name === "fmt ") {
      const extensible = view.getUint16(start, true) === 0xfffe;
      form = {
        kind: view.getUint16(start + (extensible ? 24 : 0), true),
        numChannels: view.getUint16(start + 2, true),
        rateHz: view.getUint32(start + 4, true),
        bits: view.getUint16(start + 14, true),
      };
    } else if (name === "data" && form) {
      if (form.kind !== 1 || form.bits !== 16) return null;
      const left = view.byteLength - start;
      return pcm16(view, start, size === UNKNOWN_SIZE ? left : size, form.numChannels, form.rateHz, true);
    }
    place = start + size + (size % 2);
  }
  return null;
}

/** Sample rate in the header of a WAV or FLAC file, if every browser can decode at it; otherwise null. */
function headerRate(content) {
  const view = new DataView(content);
  let rateHz = 0;
  if (textAt(view, 0, 4) === "fLaC" && view.byteLength > 21) rateHz = view.getUint32(18) >>> 12; // its upper 20 bits
  if (textAt(view, 8, 8) === "WAVEfmt " && view.byteLength > 28) rateHz = view.getUint32(24, true);
  return rateHz >= 8000 && rateHz <= 96000 ? rateHz : null;
}

function readSphere(content) {
  const view = new DataView(content);
  if (textAt(view, 0, 7) !== "NIST_1A") return null;
  const start = Number(textAt(view, 8, 8));
  const fields = {};
  for (const line of textAt(view, 16, Math.max(start - 16, 0)).split("\n")) {
    const [name, , value] = line.split(" ");
    fields[name] = value;
  }
  if (fields.sample_n_bytes !== "2" || (fields.sample_coding ?? "pcm") !== "pcm") return null;
  const numChannels = Number(fields.channel_count ?? 1);
  const size = 2 * numChannels * Number(fields.sample_count);
  return pcm16(view, start, size, numChannels, Number(fields.sample_rate), fields.sample_byte_format !== "10");
}

/** Interleaved 16-bit samples, mixed down. */
function pcm16(view, start, size, numChannels, rateHz, littleEndian) {
  if (start + size > view.byteLength) throw new Error("is shorter than its header says; copy it again");
  const samples = new Float32Array(Math.floor(size / (2 * numChannels)));
  for (let i = 0; i < samples.length; i++) {
    let sum = 0;
    for (let channel = 0; channel < numChannels; channel++) {
      sum += view.getInt16(start + 2 * (i * numChannels + channel), littleEndian);
    }
    samples[i] = sum / numChannels / 32768;
  }
  return {samples, rateHz};
}

function textAt(view, place, length) {
  const bytes = new Uint8Array(view.buffer, Math.min(place, view.byteLength));
  return String.fromCharCode(...bytes.subarray(0, length));
}
