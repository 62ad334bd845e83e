"""A demonstration corpus of synthesised speech in TIMIT's layout.

The same size and seed give the same bytes, with any number of processes: the random numbers of each speaker depend only
on the seed and the speaker, and each speaker is synthesised by a fresh process.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cnn_mellin.atomic import atomic_directory
from cnn_mellin.audio.reading import write_sphere
from cnn_mellin.corpora.demo_labels import timit_labels
from cnn_mellin.corpora.demo_words import timed_words
from cnn_mellin.corpora.espeak import PHONEME, WORD
from cnn_mellin.corpora.utterance import TimedPhone
from cnn_mellin.errors import UserError
from cnn_mellin.extras import require_packages
from cnn_mellin.formats.text_file import read_json
from cnn_mellin.random_stream import random_stream, stream_seed

__all__ = ["corpus_digest", "make_demo_corpus"]

SAMPLE_RATE_HZ = 16000
MANIFEST = "demo-corpus.json"
_VERSION = 3  # version of this generator, on which the bytes depend
_UTTERANCES_PER_SPEAKER = 10
_FEWEST_TEST_SPEAKERS = 2  # one for development, one for test
_FEWEST_UTTERANCES = (_FEWEST_TEST_SPEAKERS + 1) * _UTTERANCES_PER_SPEAKER
_SHARED = ("SA1", "SA2")
_OWN = ("SI1", "SI2", "SI3", "SX1", "SX2", "SX3", "SX4", "SX5")
# Voice variants that sound like a person; the others whisper, buzz or imitate robots.
_VARIANTS = (
    "Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Michael Mike Nguyen Reed "
    "RicishayMax RicishayMax2 RicishayMax3 adam anika antonio aunty belinda benjamin boris caleb david ed edward "
    "edward2 f1 f2 f3 f4 f5 grandma grandpa gustave ian iven iven2 iven3 iven4 john kaukovalta klatt klatt2 klatt3 "
    "klatt4 linda m1 m2 m3 m4 m5 m6 m7 m8 marcelo max michel miguel mike2 norbert pablo paul pedro quincy rob robert "
    "sandro shelby steph steph2 steph3 travis victor zac"
).split()
_FEMALE = set(
    "Alicia Andrea Annie anika aunty belinda f1 f2 f3 f4 f5 grandma linda shelby steph steph2 steph3 iven2".split()
)


@dataclass(frozen=True)
class _Speaker:
    """Voice, recording conditions and sentences of one speaker.

    Args:
        name: name as in TIMIT: sex, three letters, a digit.
        part: TRAIN or TEST.
        dialect: DR1 to DR8.
        variant: variant of the synthesiser's voice.
        rate, pitch, pitch_range: parameters of the synthesiser, in its own units.
        stretch: factor by which resampling lengthens the signal.
        tilt: spectral tilt: factor of the previous sample that is subtracted from each sample.
        noise_db: level of the speech above the noise, in dB.
        seed: seed of the synthesiser, and of silence and noise.
        prompts: names of the utterances.
        sentences: one sentence per prompt.
    """

    name: str
    part: str
    dialect: str
    variant: str
    rate: int
    pitch: int
    pitch_range: int
    stretch: float
    tilt: float
    noise_db: float
    seed: int
    prompts: tuple[str, ...]
    sentences: tuple[str, ...]


def make_demo_corpus(
    directory: str | Path, num_utterances: int = 1000, seed: int = 1, *, jobs: int | None = None, quiet: bool = True
) -> bool:
    """Synthesise a corpus; the folder appears complete or not at all.

    Every speaker reads the two sentences shared by all speakers (SA), and eight others. A quarter of the speakers are
    TEST, with voices that do not occur in TRAIN.

    Args:
        directory: folder of the corpus. It must not exist, be empty, or hold the same corpus (all bytes are compared).
        num_utterances: number of utterances of all speakers together; at least 30, for three speakers.
        seed: seed of all random numbers.
        jobs: number of speakers synthesised in parallel; by default one per core.
        quiet: show no progress bar.

    Returns:
        True if the corpus was made, False if the folder already held it.

    Raises:
        UserError: an argument is too small, the synthesiser is not installed, or the folder holds other files.
    """
    directory = Path(directory)
    if num_utterances < _FEWEST_UTTERANCES:
        raise UserError(
            f"num_utterances {num_utterances}: must be at least {_FEWEST_UTTERANCES}, for one speaker each in "
            "training, development and test"
        )
    if seed < 0:
        raise UserError(f"seed {seed}: must be 0 or more")
    if jobs is not None and jobs < 1:
        raise UserError(f"jobs {jobs}: must be at least 1")
    require_packages("the demo corpus", ["demo"])
    manifest: dict[str, object] = {
        "generator": _VERSION,
        "espeakng_loader": importlib.metadata.version("espeakng-loader"),
        "num_utterances": num_utterances,
        "seed": seed,
    }
    if _holds_corpus(directory, manifest):
        return False
    speakers = _speakers(num_utterances, seed)
    with (
        atomic_directory(directory, what="demo corpus", is_own=_is_corpus) as folder,
        ThreadPoolExecutor(jobs or os.cpu_count()) as pool,
    ):
        progress = tqdm(total=num_utterances, desc="synthesise", unit="utt", disable=quiet or None)
        try:
            for count in pool.map(lambda speaker: _record(speaker, folder), speakers):
                progress.update(count)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            progress.close()
        (folder / "speakers.jsonl").write_text(
            "".join(json.dumps(asdict(s)) + "\n" for s in speakers), encoding="utf-8"
        )
        manifest["sha256"] = corpus_digest(folder)
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return True


def _holds_corpus(directory: Path, manifest: dict[str, object]) -> bool:
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return False
    try:
        found = read_json(directory / MANIFEST)
    except UserError:
        raise UserError(f"{directory}: exists and is not a demo corpus; name another folder") from None
    differs = ", ".join(
        f"{key} is {found.get(key)}, not {value}" for key, value in manifest.items() if found.get(key) != value
    )
    if differs:
        raise UserError(f"{directory}: holds another demo corpus ({differs}); delete it, or name another folder")
    if found.get("sha256") != corpus_digest(directory):
        raise UserError(
            f"{directory}: the demo corpus has been modified since it was made; delete it, or name another folder"
        )
    return True


def _is_corpus(directory: Path) -> bool:
    """Return True for a demo corpus, such as another process may have made meanwhile."""
    return (directory / MANIFEST).is_file()


def _speakers(num_utterances: int, seed: int) -> list[_Speaker]:
    stream = random_stream(seed, "demo speakers")
    count = -(-num_utterances // _UTTERANCES_PER_SPEAKER)
    num_test = max(count // 4, _FEWEST_TEST_SPEAKERS)
    variants = [_VARIANTS[i] for i in stream.permutation(len(_VARIANTS))]
    num_test_variants = max(len(variants) // 4, 1)
    sentences = _distinct_sentences(seed)
    shared = _grammar()["dialect_sentences"]
    speakers, left = [], num_utterances
    for i in range(count):
        test = i < num_test
        # The voices of TEST do not occur in TRAIN.
        own = variants[:num_test_variants] if test else variants[num_test_variants:]
        variant = own[(i if test else i - num_test) % len(own)]
        prompts = (*_SHARED, *_OWN)[: min(left, _UTTERANCES_PER_SPEAKER)]
        left -= len(prompts)
        letters = "".join(chr(ord("A") + i // 26**place % 26) for place in (2, 1, 0))
        voice = random_stream(seed, "demo speaker", i)
        speakers.append(
            _Speaker(
                name=("F" if variant in _FEMALE else "M") + letters + "0",
                part="TEST" if test else "TRAIN",
                dialect=f"DR{1 + i % 8}",
                variant=variant,
                rate=int(voice.integers(130, 216)),
                pitch=int(voice.integers(35, 66)),
                pitch_range=int(voice.integers(30, 71)),
                stretch=float(voice.integers(30, 35)) / 32,
                tilt=float(voice.uniform(-0.2, 0.4)),
                noise_db=float(voice.uniform(28, 45)),
                seed=stream_seed(seed, "demo voice", i) % 1_000_000_000,
                prompts=prompts,
                sentences=(*shared, *(next(sentences) for _ in prompts[2:]))[: len(prompts)],
            )
        )
    return speakers


def _grammar() -> dict[str, list[str]]:
    grammar: dict[str, list[str]] = json.loads(
        Path(__file__).with_name("demo_grammar.json").read_text(encoding="utf-8")
    )
    return grammar


def _distinct_sentences(seed: int) -> Iterator[str]:
    """Sample distinct sentences from the grammar, endlessly."""
    grammar, stream, seen = _grammar(), random_stream(seed, "demo sentences"), set[str]()

    def sample(match: re.Match[str]) -> str:
        words = grammar[match[1]]
        return words[stream.integers(len(words))]

    while True:
        pattern = grammar["patterns"][stream.integers(len(grammar["patterns"]))]
        sentence = re.sub(r"\{(\w+)\}", sample, pattern)
        sentence = re.sub(r"\b([Aa])( [aeioAEIO])", r"\1n\2", sentence)
        sentence = sentence[0].upper() + sentence[1:]
        if sentence not in seen:
            seen.add(sentence)
            yield sentence


def _record(speaker: _Speaker, folder: Path) -> int:
    """Write all utterances of a speaker; return their number."""
    target = folder / speaker.part / speaker.dialect / speaker.name
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as scratch:
        out = Path(scratch) / "speech.npz"
        job = {
            "voice": f"en-us+{speaker.variant}",
            "rate": speaker.rate,
            "pitch": speaker.pitch,
            "range": speaker.pitch_range,
            "seed": speaker.seed,
            "sentences": speaker.sentences,
        }
        done = subprocess.run(
            [sys.executable, "-m", "cnn_mellin.corpora.espeak", str(out)],
            input=json.dumps(job),
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(f"the synthesiser failed on voice {job['voice']}: {last}")
        with np.load(out, allow_pickle=False) as speech:
            for i, (prompt, sentence) in enumerate(zip(speaker.prompts, speaker.sentences, strict=True)):
                marks, names = speech[f"marks_{i}"], speech[f"names_{i}"]
                rate = int(speech["sample_rate_hz"])
                _write_utterance(target / prompt, speaker, i, sentence, speech[f"samples_{i}"], rate, marks, names)
    return len(speaker.prompts)


def _write_utterance(
    stem: Path,
    speaker: _Speaker,
    number: int,
    sentence: str,
    samples: NDArray[np.int16],
    rate: int,
    marks: NDArray[np.int64],
    names: NDArray[np.str_],
) -> None:
    stream = random_stream(speaker.seed, "recording", number)
    spoken = [i for i in range(len(marks)) if marks[i, 0] == PHONEME]
    labels = timit_labels([str(names[i]) for i in spoken], [int(marks[i, 1]) for i in spoken], samples, rate)
    up = round(speaker.stretch * 32) * SAMPLE_RATE_HZ
    scale = up / (32 * rate)
    before, after = (int(stream.integers(1600, 4000)) for _ in range(2))
    signal = _recorded(samples, up, 32 * rate, before, after, speaker, stream)

    def place(sample: int) -> int:
        return before + round(sample * scale)

    phones = [TimedPhone(label.symbol, place(label.first_sample), place(label.end_sample)) for label in labels]
    phones[0] = TimedPhone("h#", 0, phones[0].end_sample)
    phones[-1] = TimedPhone("h#", phones[-1].first_sample, len(signal))
    write_sphere(stem.with_suffix(".WAV"), signal, SAMPLE_RATE_HZ)
    lines = "".join(f"{phone.first_sample} {phone.end_sample} {phone.symbol}\n" for phone in phones)
    stem.with_suffix(".PHN").write_text(lines, encoding="ascii")
    stem.with_suffix(".TXT").write_text(f"0 {len(signal)} {sentence}\n", encoding="ascii")
    marked = [mark for mark in marks if mark[0] == WORD]
    words = timed_words(sentence, [int(mark[2]) - 1 for mark in marked], [place(int(m[1])) for m in marked], phones)
    lines = "".join(f"{word.first_sample} {word.end_sample} {word.word}\n" for word in words)
    stem.with_suffix(".WRD").write_text(lines, encoding="ascii")


def _recorded(
    samples: NDArray[np.int16],
    up: int,
    down: int,
    before: int,
    after: int,
    speaker: _Speaker,
    stream: np.random.Generator,
) -> NDArray[np.int16]:
    """Signal as recorded by a microphone: with silence around it, spectral tilt, level and noise."""
    from scipy.signal import resample_poly  # slow to import

    divisor = int(np.gcd(up, down))
    speech = resample_poly(samples.astype(np.float64), up // divisor, down // divisor)
    speech = np.concatenate([np.zeros(before), speech, np.zeros(after)])
    speech[1:] -= speaker.tilt * speech[:-1]
    speech *= stream.uniform(0.25, 0.7) * 32767 / np.abs(speech).max()
    level = np.sqrt(np.mean(speech**2)) * 10 ** (-speaker.noise_db / 20)
    noisy = speech + level * stream.standard_normal(len(speech))
    recorded: NDArray[np.int16] = np.clip(np.round(noisy), -32768, 32767).astype(np.int16)
    return recorded


def corpus_digest(directory: str | Path) -> str:
    """Digest of all files of a demo corpus except its manifest."""
    digest = hashlib.sha256()
    for path in sorted(Path(directory).rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            digest.update(path.relative_to(directory).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
