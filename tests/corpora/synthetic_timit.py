"""Corpora with TIMIT's layout and counts, filled with noise."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
import soundfile

from cnn_mellin.audio.reading import write_sphere
from cnn_mellin.formats.phone_sets import phone_set

CORE = "mdab0 mwbt0 felc0 mtas1 mwew0 fpas0 mjmp0 mlnt0 fpkt0 mlll0 mtls0 fjlm0".split()
CORE += "mbpm0 mklt0 fnlp0 mcmj0 mjdh0 fmgd0 mgrt0 mnjm0 fdhc0 mjln0 mpam0 fmld0".split()
DEV = "faks0 fdac1 fjem0 mgwt0 mjar0 mjsw0 mmdb1 mmdm2 mpdf0 fcmh0 fkms0 mbdg0 mbwm0 mcsh0 fadg0 fdms0 fedw0".split()
DEV += "mgjf0 mglb0 mrtk0 mtaa0 mtdt0 mthc0 mwjg0 fnmr0 frew0 fsem0 mbns0 mmjr0 mdls0 mdlf0 mdvc0 mers0".split()
DEV += "fmah0 fdrw0 mrcs0 mrjm4 fcal1 mmwh0 fjsj0 majc0 mjfc0 mrjr0 fgjd0 fjmg0 mroa0 mteb0 mreb0 mrws1 fmml0".split()
CORE_PHONES = 7215
SENTENCES_A_SPEAKER = 8


def write_synthetic_timit(
    root: Path,
    *,
    full: bool = False,
    num_train: int = 3,
    test: tuple[str, ...] = ("fdhc0", "faks0"),
    lower: bool = False,
    riff: bool = False,
    deeper: bool = False,
    num_samples: int = 8000,
) -> Path:
    """Write a corpus and return its folder.

    Args:
        root: the folder, which need not exist.
        full: TIMIT's 630 speakers, 6300 utterances and 7215 phones of the core test, 0.1 s each.
        num_train: speakers of TRAIN, unless full.
        test: speakers of TEST, unless full.
        lower: names of files and folders in lower case.
        riff: RIFF audio, in files of the same name.
        deeper: the tree below one more folder.
        num_samples: of an utterance, unless full.
    """
    invented = _names()
    train = [next(invented) for _ in range(462 if full else num_train)]
    speakers = [*CORE, *DEV, *(next(invented) for _ in range(168 - len(CORE) - len(DEV)))] if full else list(test)
    top = root / "TIMIT" if deeper else root
    if full:
        num_samples = 1600
    lengths = _core_lengths()
    for part, names in (("TRAIN", train), ("TEST", speakers)):
        for number, speaker in enumerate(names):
            folder = top / _cased(part, lower) / _cased(f"DR{number % 8 + 1}", lower) / _cased(speaker, lower)
            folder.mkdir(parents=True)
            for i, prompt in enumerate(_prompts(number)):
                scored = part == "TEST" and speaker in CORE and not prompt.startswith("SA")
                num_phones = next(lengths) if full and scored else 5 + (number + i) % 4
                rng = np.random.default_rng([number, i, part == "TEST"])
                _write(folder / _cased(prompt, lower), rng, num_samples, num_phones, number + i, lower, riff)
    return root


def _write(
    stem: Path, rng: np.random.Generator, num_samples: int, num_phones: int, turn: int, lower: bool, riff: bool
) -> None:
    """Write one utterance: `num_phones` phones that the 39 set keeps, and a glottal stop, which it deletes."""
    kept = [phone for phone in phone_set(61) if phone not in ("q", "h#")]
    inner = [kept[(turn * 7 + i) % len(kept)] for i in range(num_phones - 2)]
    labels = ["h#", *inner[:2], "q", *inner[2:], "h#"]
    bounds = [num_samples * i // len(labels) for i in range(len(labels) + 1)]
    samples = rng.integers(-1000, 1000, num_samples).astype(np.int16)
    audio = stem.parent / (stem.name + _cased(".WAV", lower))
    if riff:
        with open(audio, "wb") as file:
            soundfile.write(file, samples, 16000, format="WAV")
    else:
        write_sphere(audio, samples, 16000)
    times = zip(bounds[:-1], bounds[1:], labels, strict=True)
    contents = {
        ".PHN": "".join(f"{first} {end} {label}\n" for first, end, label in times),
        ".TXT": f"0 {num_samples} Sentence {turn} of noise.\n",
        ".WRD": f"{bounds[1]} {bounds[3]} sentence\n{bounds[2]} {bounds[-2]} noise\n",
    }
    for suffix, text in contents.items():
        (stem.parent / (stem.name + _cased(suffix, lower))).write_text(text)


def _names():
    """Names of speakers that are not in the lists."""
    for i in count():
        yield "fm"[i % 2] + "x" + chr(ord("a") + i // 26 % 26) + chr(ord("a") + i % 26) + str(i // 676)


def _prompts(number: int) -> list[str]:
    own = [f"SI{500 + number * 3 + i}" for i in range(3)] + [f"SX{number % 90 + 90 * i + 1}" for i in range(5)]
    return ["SA1", "SA2", *own]


def _core_lengths():
    """Phones of each utterance of the core test."""
    utterances = len(CORE) * SENTENCES_A_SPEAKER
    for i in range(utterances):
        yield CORE_PHONES * (i + 1) // utterances - CORE_PHONES * i // utterances


def _cased(name: str, lower: bool) -> str:
    return name.lower() if lower else name.upper()
