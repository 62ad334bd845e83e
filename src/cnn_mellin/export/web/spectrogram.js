// Spectrogram by a fast Fourier transform.

const WINDOW_S = 0.025, SHIFT_S = 0.005, MOST_COLUMNS = 6000, RANGE_DB = 50, PRE_EMPHASIS = 0.97;

/**
 * Levels in 0..1 over RANGE_DB below the loudest: {levels, numColumns, numBins}; column after column, from 0 Hz up.
 */
export function spectrogram(samples, rateHz) {
  const length = Math.round(WINDOW_S * rateHz);
  const size = 2 ** Math.ceil(Math.log2(length)), numBins = size / 2;
  const shift = Math.max(Math.round(SHIFT_S * rateHz), Math.ceil(samples.length / MOST_COLUMNS), 1);
  const numColumns = Math.ceil(samples.length / shift);
  const window = Float64Array.from({length}, (_, i) => 0.5 - 0.5 * Math.cos(2 * Math.PI * (i + 0.5) / length));
  const decibels = new Float32Array(numColumns * numBins);
  const real = new Float64Array(size), imaginary = new Float64Array(size);
  let loudest = -Infinity;
  for (let column = 0; column < numColumns; column++) {
    const first = column * shift + (shift >> 1) - (length >> 1);
    real.fill(0);
    imaginary.fill(0);
    for (let i = 0; i < length; i++) {
      real[i] = window[i] * ((samples[first + i] ?? 0) - PRE_EMPHASIS * (samples[first + i - 1] ?? 0));
    }
    transform(real, imaginary);
    for (let bin = 0; bin < numBins; bin++) {
      const level = 10 * Math.log10(real[bin] ** 2 + imaginary[bin] ** 2 + 1e-12);
      decibels[column * numBins + bin] = level;
      loudest = Math.max(loudest, level);
    }
  }
  return {levels: decibels.map(level => Math.max(0, 1 - (loudest - level) / RANGE_DB)), numColumns, numBins};
}

/** Fourier transform in place; the length is a power of two. */
function transform(real, imaginary) {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i++) { // order of reversed bits
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let half = 1; half < size; half *= 2) {
    for (let k = 0; k < half; k++) {
      const cosine = Math.cos(Math.PI * k / half), sine = -Math.sin(Math.PI * k / half);
      for (let i = k; i < size; i += 2 * half) {
        const j = i + half;
        const x = real[j] * cosine - imaginary[j] * sine, y = real[j] * sine + imaginary[j] * cosine;
        [real[j], imaginary[j]] = [real[i] - x, imaginary[i] - y];
        [real[i], imaginary[i]] = [real[i] + x, imaginary[i] + y];
      }
    }
  }
}
