// The figure: phones, spectrogram and posteriors over time. Names of rows stay in sight while it scrolls.

import {spectrogram} from "./spectrogram.js";

const PIXELS_PER_SECOND = 250, NAMES_WIDTH = 52;
const WIDEST = 16000, MOST_PIXELS = 16e6; // of a canvas, in every browser
const PHONES_HEIGHT = 38, SPECTROGRAM_HEIGHT = 170, GAP = 10, ROW_HEIGHT = 17, AXIS_HEIGHT = 24;
const SHOWN_FROM = 0.1; // classes that were recognised, or whose posterior reaches this, have a row

/** Draw a result of the recogniser at a sample rate into two canvases; gives the pixels per second. */
export function drawFigure(names, panels, result, symbols, rateHz) {
  const rows = shownClasses(result, symbols);
  const above = PHONES_HEIGHT + SPECTROGRAM_HEIGHT + GAP;
  const height = above + ROW_HEIGHT * rows.length + AXIS_HEIGHT;
  const free = panels.parentElement.clientWidth - NAMES_WIDTH;
  const width = Math.round(Math.max(free, PIXELS_PER_SECOND * result.durationS));
  const scale = width / result.durationS;
  const colours = readColours();
  const ink = prepare(names, NAMES_WIDTH, height, colours);
  const draw = prepare(panels, width, height, colours);
  drawSpectrogram(draw, result, rateHz, width, colours);
  drawFrequencies(ink, rateHz);
  rows.forEach(({name, number}, row) => {
    const top = above + row * ROW_HEIGHT;
    ink.textAlign = "right";
    ink.fillText(name, NAMES_WIDTH - 6, top + ROW_HEIGHT / 2, NAMES_WIDTH - 8);
    draw.fillStyle = colours.shade;
    draw.fillRect(0, top, width, ROW_HEIGHT - 1);
    draw.fillStyle = number === symbols.length ? colours.quiet : colours.accent;
    const numClasses = symbols.length + 1;
    for (let frame = 0; frame * numClasses < result.posteriors.length; frame++) {
      draw.globalAlpha = result.posteriors[frame * numClasses + number];
      draw.fillRect(frame * result.shiftS * scale, top, result.shiftS * scale + 0.5, ROW_HEIGHT - 1);
    }
    draw.globalAlpha = 1;
  });
  drawPhones(draw, result.phones, scale, width, height - AXIS_HEIGHT, colours);
  drawSeconds(draw, ink, result.durationS, scale, height, colours);
  return scale;
}

function shownClasses({phones, posteriors}, symbols) {
  const highest = new Float32Array(symbols.length + 1);
  posteriors.forEach((value, i) => {
    const number = i % highest.length;
    highest[number] = Math.max(highest[number], value);
  });
  const recognised = new Set(phones.map(({symbol}) => symbol));
  return [...symbols, "blank"]
    .map((name, number) => ({name, number}))
    .filter(({name, number}) => number === symbols.length || recognised.has(name) || highest[number] >= SHOWN_FROM);
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["page", "ink", "quiet", "accent", "shade", "line"];
  return Object.fromEntries(names.map(name => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** Size a canvas for sharp pixels, and give its cleared context. */
function prepare(canvas, width, height, colours) {
  const sharpness = Math.min(devicePixelRatio, WIDEST / width, Math.sqrt(MOST_PIXELS / (width * height)));
  canvas.width = Math.floor(width * sharpness);
  canvas.height = Math.floor(height * sharpness);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(sharpness, sharpness);
  context.font = "12px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = colours.ink;
  return context;
}

function drawSpectrogram(draw, result, rateHz, width, colours) {
  const {levels, numColumns, numBins} = spectrogram(result.samples, rateHz);
  const [low, high] = [colours.page, colours.ink].map(parts);
  const picture = new ImageData(numColumns, numBins);
  levels.forEach((level, i) => {
    const place = 4 * ((numBins - 1 - i % numBins) * numColumns + Math.floor(i / numBins));
    for (let part = 0; part < 3; part++) picture.data[place + part] = low[part] + level * (high[part] - low[part]);
    picture.data[place + 3] = 255;
  });
  const small = new OffscreenCanvas(numColumns, numBins);
  small.getContext("2d").putImageData(picture, 0, 0);
  draw.drawImage(small, 0, PHONES_HEIGHT, width, SPECTROGRAM_HEIGHT);
}

/** Red, green and blue of a colour such as #1f2430. */
function parts(colour) {
  return [1, 3, 5].map(place => parseInt(colour.slice(place, place + 2), 16));
}

function drawFrequencies(ink, rateHz) {
  ink.textAlign = "right";
  const mostKhz = rateHz / 2000;
  const step = [0.5, 1, 2, 5, 10].find(khz => mostKhz / khz <= 5) ?? 20;
  for (let khz = step; khz < mostKhz; khz += step) {
    ink.fillText(`${khz} kHz`, NAMES_WIDTH - 6, PHONES_HEIGHT + SPECTROGRAM_HEIGHT * (1 - khz / mostKhz));
  }
}

/** Each phone's symbol above, and a line at its start; neighbours alternate in height. */
function drawPhones(draw, phones, scale, width, bottom, colours) {
  draw.textAlign = "center";
  draw.font = `600 ${draw.font}`;
  phones.forEach(({symbol, startS, endS}, number) => {
    const start = startS * scale, upper = number % 2 === 0;
    draw.strokeStyle = colours.line;
    draw.globalAlpha = 0.6;
    draw.beginPath();
    draw.moveTo(start, upper ? 16 : 33);
    draw.lineTo(start, bottom);
    draw.stroke();
    draw.globalAlpha = 1;
    draw.fillStyle = colours.ink;
    const half = draw.measureText(symbol).width / 2 + 1;
    const centre = Math.min(Math.max((start + endS * scale) / 2, half), width - half);
    draw.fillText(symbol, centre, upper ? 9 : 26);
  });
  draw.font = draw.font.replace("600 ", "");
}

function drawSeconds(draw, ink, durationS, scale, height, colours) {
  const step = [0.1, 0.2, 0.5, 1].find(seconds => seconds * scale >= 60) ?? 1;
  draw.fillStyle = colours.ink;
  for (let number = 0; number * step <= durationS; number++) {
    const x = number * step * scale;
    draw.textAlign = number ? "center" : "left";
    if (x < durationS * scale - 12) draw.fillText((number * step).toFixed(step < 1 ? 1 : 0), x, height - 9);
  }
  ink.fillText("time (s)", NAMES_WIDTH - 6, height - 9);
}
