"""Time of the prefix beam search, beside flashlight-text with KenLM and fast-ctc-decode where they are installed.

    python benchmarks/prefix_beam_search.py [--utterances 32] [--frames 300] [--beams 1 8 32 128]

All see the same logits and the same 3-gram model, on one thread; ours also on all cores. Flat posteriors leave every
class possible, trained-like ones are peaked with a blank between phones. Milliseconds an utterance, best of the runs.
`nll` is the mean of -log p(best | x) at the widest beam, without a language model: lower is a better search.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cnn_mellin.decoding import prefix_beam_search
from cnn_mellin.language_models import NgramModel, estimate_kneser_ney, write_arpa

NUM_PHONES = 48
LM_WEIGHT = 0.7


def trigram(folder: Path) -> tuple[NgramModel, Path]:
    rng = random.Random(0)
    phones = [f"p{i:02}" for i in range(NUM_PHONES)]
    weights = [[rng.random() ** 4 for _ in phones] for _ in phones]
    sentences = []
    for _ in range(3000):
        sentence = [rng.randrange(NUM_PHONES)]
        while len(sentence) < 40:
            sentence.extend(rng.choices(range(NUM_PHONES), weights[sentence[-1]]))
        sentences.append([phones[i] for i in sentence])
    write_arpa(folder / "lm.arpa", estimate_kneser_ney(sentences, phones, 3))
    return NgramModel.from_arpa(folder / "lm.arpa", phones), folder / "lm.arpa"


def make_logits(kind: str, num_utterances: int, num_frames: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(num_utterances, num_frames, NUM_PHONES + 1, generator=generator)
    if kind == "flat":
        return logits
    rng = random.Random(2)
    for utterance in logits:
        t = 0
        utterance[:, -1] += 6
        while t < num_frames:
            utterance[t, rng.randrange(NUM_PHONES)] += 9
            t += rng.randint(4, 10)
    return logits


def flashlight(arpa: Path, phones: list[str], beam_width: int, with_lm: bool) -> Callable[[torch.Tensor], list[float]]:
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
    language_model = kenlm.KenLM(str(arpa), dictionary.Dictionary([*phones, "<b>"])) if with_lm else decoder.ZeroLM()
    search = decoder.LexiconFreeDecoder(options, language_model, -1, NUM_PHONES, [])

    def decode(log_probs: torch.Tensor) -> list[float]:
        return [search.decode(u.data_ptr(), u.size(0), u.size(1))[0].score for u in log_probs]

    return decode


def fast_ctc_decode(beam_width: int) -> Callable[[torch.Tensor], list[float]]:
    library: Any = importlib.import_module("fast_ctc_decode")
    alphabet = [" ", *(chr(0x100 + i) for i in range(NUM_PHONES))]

    def decode(log_probs: torch.Tensor) -> list[float]:
        # its blank is the first class
        for utterance in log_probs.roll(1, 2).exp().numpy():
            library.beam_search(utterance, alphabet, beam_size=beam_width, beam_cut_threshold=0.0)
        return []

    return decode


def milliseconds(decode: Callable[[torch.Tensor], object], log_probs: torch.Tensor, repeats: int) -> float:
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        decode(log_probs)
        durations.append(time.perf_counter() - start)
    return 1e3 * min(durations) / len(log_probs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=32)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--others", type=int, default=4, help="utterances that the other libraries decode")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    num_cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        model, arpa = trigram(Path(folder))

        def ours(beam_width: int, with_lm: bool, num_workers: int) -> Callable[[torch.Tensor], list[float]]:
            def decode(log_probs: torch.Tensor) -> list[float]:
                lengths = torch.full((len(log_probs),), log_probs.size(1))
                fused = {"language_model": model, "lm_weight": LM_WEIGHT} if with_lm else {}
                found = prefix_beam_search(log_probs, lengths, beam_width, num_workers=num_workers, **fused)  # type: ignore[arg-type]
                return [best[0][1] for best in found]

            return decode

        print(f"{arguments.frames} frames, {NUM_PHONES + 1} classes; load of the machine {os.getloadavg()[0]:.1f}")
        heads = [
            "posteriors",
            "LM",
            "beam",
            "ours",
            "one by one",
            f"{num_cores} threads",
            "speed-up",
            "flashlight",
            "fast-ctc",
        ]
        print(" ".join(f"{head:>10}" for head in heads))
        for kind in ("flat", "trained"):
            log_probs = make_logits(kind, arguments.utterances, arguments.frames).log_softmax(2).contiguous()
            few = log_probs[: arguments.others]
            for with_lm in (False, True):
                for beam in arguments.beams:
                    batched = milliseconds(ours(beam, with_lm, 1), log_probs, arguments.repeats)
                    single = ours(beam, with_lm, 1)
                    alone = milliseconds(lambda x, f=single: [f(u[None]) for u in x], few, arguments.repeats)  # type: ignore[misc]
                    shared = milliseconds(ours(beam, with_lm, num_cores), log_probs, arguments.repeats)
                    row = [f"{batched:.2f}", f"{alone:.2f}", f"{shared:.2f}", f"{batched / shared:.2f}"]
                    for library in ("flashlight", "fast_ctc_decode"):
                        try:
                            if library == "flashlight":
                                theirs = flashlight(arpa, list(model.tokens), beam, with_lm)
                            elif with_lm:
                                row.append("-")
                                continue
                            else:
                                theirs = fast_ctc_decode(beam)
                            row.append(f"{milliseconds(theirs, few, 1):.2f}")
                        except ImportError:
                            row.append("missing")
                    print(
                        " ".join(f"{cell:>10}" for cell in [kind, "3-gram" if with_lm else "none", str(beam), *row]),
                        flush=True,
                    )
            widest = max(arguments.beams)
            print(f"nll {kind}, beam {widest}: ours {-sum(ours(widest, False, 1)(few)) / len(few):.2f}", end="")
            try:
                print(f", flashlight {-sum(flashlight(arpa, list(model.tokens), widest, False)(few)) / len(few):.2f}")
            except ImportError:
                print()


if __name__ == "__main__":
    main()
