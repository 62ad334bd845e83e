// Greedy CTC decoding: the best class of each frame, repeats merged, blanks left out.

/**
 * Phones of a recording: {symbol, startS, endS, posterior}, the posterior being the highest of the phone's frames.
 *
 * `posteriors` holds frames of `symbols.length + 1` classes one after another, the blank last.
 */
export function greedyPhones(posteriors, symbols, shiftS, durationS) {
  const numClasses = symbols.length + 1;
  const segments = [];
  for (let frame = 0; frame < posteriors.length / numClasses; frame++) {
    const row = posteriors.subarray(frame * numClasses, (frame + 1) * numClasses);
    const posterior = row.reduce((a, b) => Math.max(a, b));
    const best = row.indexOf(posterior);
    const last = segments.at(-1);
    if (last?.best === best) {
      last.end = frame + 1;
      last.posterior = Math.max(last.posterior, posterior);
    } else {
      segments.push({best, start: frame, end: frame + 1, posterior});
    }
  }
  return segments.filter(({best}) => best < symbols.length).map(({best, start, end, posterior}) => ({
    symbol: symbols[best],
    startS: Math.min(start * shiftS, durationS),
    endS: Math.min(end * shiftS, durationS),
    posterior,
  }));
}
