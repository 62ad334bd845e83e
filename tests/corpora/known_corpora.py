"""Tiny samples in the layouts of corpora that are known by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

_PHONES = {"WE": "W_B IY0_E", "CALL": "K_B AO1_I L_E", "IT": "IH0_B T_E", "A": "AH0_S"}
_TEXTS = ("WE CALL IT", "CALL A", "IT", "A CALL")


def write_sound(path: Path, sample_rate_hz: int, seconds: float = 0.3) -> None:
    """Write some noise as 16-bit samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = np.random.default_rng(sum(path.name.encode()))
    samples = (1000 * stream.standard_normal(round(seconds * sample_rate_hz))).astype(np.int16)
    soundfile.write(path, samples, sample_rate_hz, format="WAV", subtype="PCM_16")


def write_speechocean762(folder: Path, num_speakers: int = 4) -> Path:
    """Write `num_speakers` of train and one of test, two utterances each; odd speakers are children."""
    phones, scores = [], {}
    for part, numbers in (("train", range(num_speakers)), ("test", [77])):
        lines: dict[str, list[str]] = {name: [] for name in ("wav.scp", "text", "utt2spk", "spk2age", "spk2gender")}
        for number in numbers:
            speaker = f"{number:04d}"
            lines["spk2age"].append(f"{speaker}\t{8 if number % 2 and part == 'train' else 30}")
            lines["spk2gender"].append(f"{speaker}\t{'mf'[number % 2]}")
            for i in range(2):
                name, text = f"{speaker}{i:05d}", _TEXTS[(number + i) % len(_TEXTS)]
                place = f"WAVE/SPEAKER{speaker}/{name}.WAV"
                write_sound(folder / place, 16000)
                lines["wav.scp"].append(f"{name}\t{place}")
                lines["text"].append(f"{name}\t{text}")
                lines["utt2spk"].append(f"{name} {speaker}")
                words = []
                for word_number, word in enumerate(text.split()):
                    phones.append(f"{name}.{word_number}\t{_PHONES[word]}")
                    bare = [phone.partition("_")[0] for phone in _PHONES[word].split()]
                    words.append({"text": word, "phones": " ".join(bare), "phones-accuracy": [2.0] * len(bare)})
                scores[name] = {"text": text, "words": words}
        (folder / part).mkdir(parents=True)
        for file, rows in lines.items():
            (folder / part / file).write_text("".join(f"{row}\n" for row in rows))
    (folder / "resource").mkdir()
    (folder / "resource" / "text-phone").write_text("".join(f"{row}\n" for row in phones))
    (folder / "resource" / "scores.json").write_text(json.dumps(scores))
    return folder


def write_fsdd(folder: Path, speakers: tuple[str, ...] = ("george", "nicolas", "theo"), count: int = 1) -> Path:
    """Write `count` recordings of each digit and speaker."""
    for digit in range(10):
        for speaker in speakers:
            for number in range(count):
                write_sound(folder / "recordings" / f"{digit}_{speaker}_{number}.wav", 8000)
    return folder


def write_tusom2021(folder: Path) -> Path:
    """Write six words: four of train, one of dev, one of test."""
    words = {
        "train": {"bp1-1": "səkvɯ", "bp1-2": '"ʔə\\x1Dzut͡sɯ"', "verb1-1": "kʰã t͡ɕʰi", "verb1-2": "yỳ"},
        "dev": {"bp2-1": "kʰə"},
        "test": {"bp3-1": "ʔu"},
    }
    for part, entries in words.items():
        text = ""
        for name, phones in entries.items():
            write_sound(folder / "data" / "wav" / f"{name}.wav", 16000)
            text += f"{name}.wav:\n  gloss: word\n  no_tones: {phones}\n  tone_dias: {phones}\n"
        (folder / "data" / f"{part}.yml").write_text(text, encoding="utf-8")
    return folder


def write_voxangeles(folder: Path, languages: tuple[str, ...] = ("ace", "bem", "dag", "eus", "fub", "ibo")) -> Path:
    """Write two words of each language, one of them in UTF-16 and with other names of tiers."""
    for language in languages:
        for number, (tier, encoding) in enumerate((("phones", "utf-8"), ("phone", "utf-16"))):
            stem = folder / "data" / "audited_aligned" / language / f"{language}-000-{number:03d}"
            write_sound(stem.with_suffix(".wav"), 44100)
            labels = ("", "ʃ", "a", "\u00e3" if number else "u", "")
            rows = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", "xmax = 0.3"]
            rows += ["tiers? <exists>", "size = 1", "item []:", "item [1]:", 'class = "IntervalTier"']
            rows += [f'name = "{tier}"', "xmin = 0", "xmax = 0.3", f"intervals: size = {len(labels)}"]
            for i, label in enumerate(labels):
                rows += [f"intervals [{i + 1}]:", f"xmin = {i * 0.05}"]
                rows += [f"xmax = {(i + 1) * 0.05 if i + 1 < len(labels) else 0.3}", f'text = "{label}"']
            stem.with_suffix(".TextGrid").write_text("\n".join([*rows, ""]), encoding=encoding)
    return folder
