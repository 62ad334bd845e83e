// Resampling by a windowed sinc, so that every browser gives the same samples.

// The filter passes 91 % of the lower Nyquist frequency, and stops all above it by 120 dB (Kaiser's formulas).
const PASSED = 0.913, KAISER_BETA = 12.27, HALF_WIDTH = 90;

/** Samples at another sample rate; rates are whole numbers of Hz. */
export function resample(samples, fromHz, toHz) {
  if (fromHz === toHz) return samples;
  const divisor = greatestDivisor(fromHz, toHz);
  const up = toHz / divisor, down = fromHz / divisor;
  const lower = Math.min(1, toHz / fromHz); // Nyquist frequency of the slower rate, relative to the input's
  const half = Math.ceil(HALF_WIDTH / lower);
  const cutoff = lower * (1 + PASSED) / 2;
  const filters = Array.from({length: up}, (_, phase) => filter(phase / up, half, cutoff));
  const resampled = new Float32Array(Math.round(samples.length * up / down));
  for (let i = 0; i < resampled.length; i++) {
    const taps = filters[i * down % up], first = Math.floor(i * down / up) - half + 1;
    const last = Math.min(2 * half, samples.length - first);
    let sum = 0;
    for (let tap = Math.max(0, -first); tap < last; tap++) sum += taps[tap] * samples[first + tap];
    resampled[i] = sum;
  }
  return resampled;
}

/** Weights of the 2 `half` samples around a place that lies `fraction` behind the sample in the middle. */
function filter(fraction, half, cutoff) {
  return Float32Array.from({length: 2 * half}, (_, tap) => {
    const time = fraction + half - 1 - tap; // in samples of the input
    const angle = Math.PI * cutoff * time;
    const window = besselI0(KAISER_BETA * Math.sqrt(Math.max(0, 1 - (time / half) ** 2))) / besselI0(KAISER_BETA);
    return cutoff * (angle ? Math.sin(angle) / angle : 1) * window;
  });
}

/** Modified Bessel function of order 0, by its power series. */
function besselI0(x) {
  let term = 1, sum = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestDivisor(a, b) {
  return b ? greatestDivisor(b, a % b) : a;
}
