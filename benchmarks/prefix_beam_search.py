"""Time of the prefix beam search, compared with flashlight-text with KenLM and fast-ctc-decode, if installed.

    pip install flashlight-text fast-ctc-decode
    python benchmarks/prefix_beam_search.py [--beams 1 8 32 128] [--frames 300]

All decode the same logits with the same 3-gram model on one thread. Flat posteriors leave every class possible;
trained-like posteriors are peaked, with blanks between phones. A second part compares two processes with one.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cnn_mellin.decoding import prefix_beam_search
from cnn_mellin.decoding.forked_map import forked_map
from cnn_mellin.formats.text_table import format_table
from cnn_mellin.language_models import NgramModel, estimate_kneser_ney, write_arpa
from report import write_section

NUM_PHONES = 48
NUM_UNITS, NUM_CONTEXTS = 500, 250_000
LM_WEIGHT = 0.7
LEAST_CORES = 1.8
OTHERS = ("flashlight-text", "fast-ctc-decode")
Decode = Callable[[torch.Tensor], list[float]]
Entries = dict[tuple[str, ...], tuple[float, float]]


@lru_cache
def trigram() -> tuple[NgramModel, bytes]:
    """3-gram model of 48 phones, and the content of the ARPA file that it was read from."""
    rng = random.Random(0)
    phones = [f"p{i:02}" for i in range(NUM_PHONES)]
    weights = [[rng.random() ** 4 for _ in phones] for _ in phones]
    sentences = []
    for _ in range(3000):
        sentence = [rng.randrange(NUM_PHONES)]
        while len(sentence) < 40:
            sentence.extend(rng.choices(range(NUM_PHONES), weights[sentence[-1]]))
        sentences.append([phones[i] for i in sentence])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lm.arpa"
        write_arpa(path, estimate_kneser_ney(sentences, phones, 3))
        return NgramModel.from_arpa(path, phones), path.read_bytes()


@lru_cache
def make_logits(kind: str, num_utterances: int, num_frames: int) -> torch.Tensor:
    """Logits (N, T, 49) of kind `flat` or `trained`."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(num_utterances, num_frames, NUM_PHONES + 1, generator=generator)
    if kind == "trained":
        rng = random.Random(2)
        for utterance in logits:
            t = 0
            utterance[:, -1] += 6
            while t < num_frames:
                utterance[t, rng.randrange(NUM_PHONES)] += 9
                t += rng.randint(4, 10)
    return logits.log_softmax(2).contiguous()


def ours(beam_width: int, with_lm: bool, num_workers: int = 1) -> Decode:
    """Our search of a whole batch."""
    model = trigram()[0] if with_lm else None
    weight = LM_WEIGHT if with_lm else 0.0

    def decode(log_probs: torch.Tensor) -> list[float]:
        lengths = torch.full((len(log_probs),), log_probs.size(1))
        found = prefix_beam_search(
            log_probs, lengths, beam_width, language_model=model, lm_weight=weight, num_workers=num_workers
        )
        return [best[0][1] for best in found]

    return decode


def ours_one_by_one(beam_width: int, with_lm: bool) -> Decode:
    """Our search with one call per utterance."""
    decode = ours(beam_width, with_lm)
    return lambda log_probs: [decode(utterance[None])[0] for utterance in log_probs]


def flashlight(beam_width: int, with_lm: bool) -> Decode:
    """flashlight-text without a lexicon, considering all classes and without pruning by score."""
    decoder: Any = importlib.import_module("flashlight.lib.text.decoder")
    kenlm: Any = importlib.import_module("flashlight.lib.text.decoder.kenlm")
    dictionary: Any = importlib.import_module("flashlight.lib.text.dictionary")
    options = decoder.LexiconFreeDecoderOptions(
        beam_size=beam_width,
        beam_size_token=NUM_PHONES + 1,
        beam_threshold=1e9,
        lm_weight=LM_WEIGHT if with_lm else 0.0,
        sil_score=0.0,
        log_add=True,
        criterion_type=decoder.CriterionType.CTC,
    )
    language_model = decoder.ZeroLM()
    if with_lm:
        model, arpa = trigram()
        with tempfile.NamedTemporaryFile(suffix=".arpa") as file:
            file.write(arpa)
            file.flush()
            language_model = kenlm.KenLM(file.name, dictionary.Dictionary([*model.tokens, "<b>"]))
    search = decoder.LexiconFreeDecoder(options, language_model, -1, NUM_PHONES, [])

    def decode(log_probs: torch.Tensor) -> list[float]:
        return [search.decode(u.data_ptr(), u.size(0), u.size(1))[0].score for u in log_probs]

    return decode


def fast_ctc_decode(beam_width: int) -> Decode:
    """fast-ctc-decode, which has no language model; its blank is the first class."""
    library: Any = importlib.import_module("fast_ctc_decode")
    alphabet = [" ", *(chr(0x100 + i) for i in range(NUM_PHONES))]

    def decode(log_probs: torch.Tensor) -> list[float]:
        for utterance in log_probs.roll(1, 2).exp().numpy():
            library.beam_search(utterance, alphabet, beam_size=beam_width, beam_cut_threshold=0.0)
        return []

    return decode


def milliseconds(run: Callable[[], object]) -> float:
    """Wall-clock time of a call."""
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


def against_others(arguments: argparse.Namespace) -> list[str]:
    """Table of milliseconds per utterance, and notes on what could not be measured."""
    rows, notes = [], []
    rounds = range(arguments.rounds)
    installed = {}
    for package in OTHERS:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            notes.append(f"{package} is not installed; run `pip install {package}` and repeat the benchmark.")
    for kind in ("trained", "flat"):
        many = make_logits(kind, arguments.utterances, arguments.frames)
        few = many[: arguments.others]
        for with_lm in (False, True):
            for beam in arguments.beams:
                runs: dict[str, tuple[Decode, torch.Tensor]] = {
                    "batch": (ours(beam, with_lm), many),
                    "alone": (ours_one_by_one(beam, with_lm), few),
                }
                if "flashlight-text" in installed:
                    runs["flashlight-text"] = (flashlight(beam, with_lm), few)
                if "fast-ctc-decode" in installed and not with_lm:
                    runs["fast-ctc-decode"] = (fast_ctc_decode(beam), few)
                took = [{name: milliseconds(partial(f, x)) for name, (f, x) in runs.items()} for _ in rounds]
                each = {name: statistics.median(turn[name] for turn in took) / len(runs[name][1]) for name in runs}
                theirs = each.get("flashlight-text")
                ratios = [f"{theirs / each[name]:.1f}" if theirs else "-" for name in ("batch", "alone")]
                cells = [f"{each[name]:.2f}" if name in each else "-" for name in ("batch", "alone", *OTHERS)]
                rows.append([kind, "3-gram" if with_lm else "none", str(beam), *cells, *ratios])
                print(*rows[-1], flush=True)
        if "flashlight-text" in installed:
            widest = max(arguments.beams)
            nll = [-statistics.mean(decode(few)) for decode in (ours(widest, False), flashlight(widest, False))]
            notes.append(
                f"Mean -ln p of the best sequence, {kind}, beam {widest}, no model: here {nll[0]:.2f}, "
                f"flashlight-text {nll[1]:.2f} (lower is a better search)."
            )
    names = [f"{name} {installed[name]}" if name in installed else name for name in OTHERS]
    header = ["posteriors", "model", "beam", f"here, batch of {arguments.utterances}", "here, one by one", *names]
    header += ["batch against flashlight-text", "one by one"]
    return [
        f"Milliseconds per utterance of {arguments.frames} frames and {NUM_PHONES + 1} classes, on one thread. "
        "flashlight-text uses KenLM for the 3-gram; fast-ctc-decode has no language model. "
        "The last two columns give the speed relative to flashlight-text.",
        format_table(header, rows, "markdown"),
        *notes,
    ]


def _arithmetic(number: int) -> int:
    """Computation that uses neither memory nor caches."""
    total = 0
    for i in range(number):
        total += i
    return total


def cores() -> float:
    """Current speed-up of two processes over one for plain arithmetic."""
    one_process = milliseconds(partial(_arithmetic, 1_000_000))
    return 2 * one_process / milliseconds(partial(forked_map, _arithmetic, [1_000_000] * 2))


def two_against_one(arguments: argparse.Namespace) -> list[str]:
    """Table of one process and two, from the rounds in which two cores were available."""
    rows = []
    forked_map(_arithmetic, [1, 1])
    for kind in ("trained", "flat"):
        for num_utterances in arguments.loads:
            log_probs = make_logits(kind, num_utterances, arguments.frames)
            for beam in (beam for beam in arguments.beams if beam > 1):
                runs = [partial(ours(beam, True, workers), log_probs) for workers in (1, 2)]
                took: list[tuple[float, float]] = []
                tried, end = 0, time.perf_counter() + arguments.patience
                while len(took) < arguments.rounds and time.perf_counter() < end:
                    if cores() < LEAST_CORES:  # a second core may take seconds of work to become available
                        continue
                    two = milliseconds(runs[1])
                    if cores() >= LEAST_CORES:
                        took.append((milliseconds(runs[0]), two))
                    tried += 1
                one, two = (statistics.median(times) for times in zip(*took, strict=True)) if took else (0.0, 0.0)
                cells = [f"{one:.0f}", f"{two:.0f}", f"{one / two:.2f}"] if took else ["-", "-", "-"]
                rows.append([kind, str(num_utterances), str(beam), *cells, f"{len(took)} of {tried}"])
                print(*rows[-1], flush=True)
    header = ["posteriors", "utterances", "beam", "one process", "two", "speed-up", "rounds"]
    return [
        f"Two processes against one, {arguments.frames} frames, with the 3-gram; medians of milliseconds per batch. "
        "On a shared machine, a second core is not always available: a round counts only if, right before and after "
        f"the search by two processes, two processes did plain arithmetic at least {LEAST_CORES} times as fast as one. "
        "Narrow beams gain less, since a frame of few utterances takes as long as a frame of more utterances.",
        format_table(header, rows, "markdown"),
    ]


def many_units(arguments: argparse.Namespace) -> list[str]:
    """Table of searches with a model of many units and contexts, and the memory that it needs."""
    stream, units = np.random.default_rng(1), [f"u{i:03}" for i in range(NUM_UNITS)]
    unigrams: Entries = {("<s>",): (-99.0, -0.3), ("</s>",): (-2.5, 0.0), **{(unit,): (-2.7, -0.3) for unit in units}}
    bigrams: Entries = {}
    for pair in stream.permutation(NUM_UNITS**2)[: NUM_CONTEXTS - NUM_UNITS - 2].tolist():
        bigrams[units[pair // NUM_UNITS], units[pair % NUM_UNITS]] = (-1.5 - pair % 7 / 10, -0.4)
    contexts, trigrams = list(bigrams), Entries()
    places = stream.integers(0, len(contexts), 6 * NUM_CONTEXTS).tolist()
    for place, i in zip(places, stream.integers(0, NUM_UNITS, len(places)).tolist(), strict=True):
        trigrams[*contexts[place], units[i]] = (-1.0 - i % 5 / 10, 0.0)
    model = NgramModel([unigrams, bigrams, trigrams], units)
    num_ngrams = len(unigrams) + len(bigrams) + len(trigrams)
    held = sum(value.nbytes for value in vars(model).values() if isinstance(value, np.ndarray)) / 1e6
    table = model.num_contexts * (12 * NUM_UNITS + 8) / 1e6
    logits = torch.randn(16, arguments.frames, NUM_UNITS + 1, generator=torch.Generator().manual_seed(1))
    logits[:, :, -1] += 6
    spoken = torch.arange(0, arguments.frames, 7)
    logits[:, spoken, torch.from_numpy(stream.integers(0, NUM_UNITS, len(spoken)))] += 9
    lengths, rows = torch.full((16,), arguments.frames), []
    for beam in arguments.beams:
        each = []
        for used, weight in ((None, 0.0), (model, LM_WEIGHT)):
            search = partial(
                prefix_beam_search, logits, lengths, beam, language_model=used, lm_weight=weight, num_workers=1
            )
            took = []
            for _ in range(arguments.rounds):
                began = time.process_time()
                search()
                took.append(1e3 * (time.process_time() - began))
            each.append(statistics.median(took) / len(lengths))
        rows.append([str(beam), f"{each[0]:.2f}", f"{each[1]:.2f}"])
        print(*rows[-1], flush=True)
    return [
        f"{NUM_UNITS} units, a 3-gram model of {model.num_contexts:,} contexts and {num_ngrams:,} n-grams: {held:.0f} "
        f"MB (a table of contexts and units would have {table:,.0f} MB). Milliseconds of processor time per "
        f"utterance of {arguments.frames} frames with trained-like posteriors, on one thread.",
        format_table(["beam", "no model", "with the model"], rows, "markdown"),
    ]


def main() -> None:
    """Measure, and write the sections of the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--utterances", type=int, default=64, help="number of utterances in a batch (default: 64)")
    parser.add_argument("--others", type=int, default=4, help="number of utterances decoded one by one (default: 4)")
    parser.add_argument(
        "--loads", type=int, nargs="+", default=[64, 192, 400], help="numbers of utterances for two processes"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--patience",
        type=float,
        default=15.0,
        metavar="SECONDS",
        help="time to wait for rounds on two cores (default: 15)",
    )
    parser.add_argument("--part", choices=["others", "processes", "units"], help="measure only this part")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    call = "`python benchmarks/prefix_beam_search.py`"
    if arguments.part in (None, "units"):
        text = [f"## Prefix beam search with many units\n\n{call}", *many_units(arguments)]
        write_section("prefix_beam_search_units", "\n\n".join(text))
    if arguments.part in (None, "others"):
        text = [f"## Prefix beam search\n\n{call}", *against_others(arguments)]
        write_section("prefix_beam_search", "\n\n".join(text))
    if arguments.part in (None, "processes") and sys.platform == "linux" and (os.cpu_count() or 1) > 1:
        text = [f"## Prefix beam search on two cores\n\n{call}", *two_against_one(arguments)]
        write_section("prefix_beam_search_processes", "\n\n".join(text))


if __name__ == "__main__":
    main()
