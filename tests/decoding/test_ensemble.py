"""Ensembles: compared with the mean of probabilities taken one utterance at a time."""

import random
from pathlib import Path

import pytest
import torch

from cnn_mellin.data.logits_folder import LogitBatch
from cnn_mellin.decoding.ensemble import ensemble_source
from cnn_mellin.decoding.logit_source import LogitSource
from cnn_mellin.errors import DataError

LENGTHS = {"a": 5, "b": 3, "c": 0, "d": 7, "e": 5}
SYMBOLS = ["aa", "b"]


def utterances(seed: int, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: (5 * torch.randn(length, 3, generator=generator)).to(dtype) for name, length in LENGTHS.items()}


def batches(logits: dict[str, torch.Tensor], batch_size: int, seed: int = 0, room: int = 0) -> list[LogitBatch]:
    """Batches of the utterances in random order; padding holds NaN."""
    names = list(logits)
    random.Random(seed).shuffle(names)
    made: list[LogitBatch] = []
    for i in range(0, len(names), batch_size):
        chosen = names[i : i + batch_size]
        lengths = torch.tensor([len(logits[name]) for name in chosen])
        padded = torch.full((len(chosen), int(lengths.max()) + room, 3), float("nan"), dtype=logits["a"].dtype)
        for row, name in zip(padded, chosen, strict=True):
            row[: len(logits[name])] = logits[name]
        made.append((chosen, padded, lengths))
    return made


def source(made: list[LogitBatch], **options) -> LogitSource:
    return LogitSource(Path("dev"), len(LENGTHS), **{"symbols": SYMBOLS, "batches": made, **options})


@pytest.mark.parametrize("num_models", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_batched_in_any_order_equals_the_mean_of_probabilities_by_hand(num_models: int, batch_size: int) -> None:
    models = [utterances(seed, torch.float64 if seed == 1 else torch.float32) for seed in range(num_models)]
    sources = [source(batches(model, batch_size + i, i, room=i), frame_shift_ms=10.0) for i, model in enumerate(models)]
    found = ensemble_source(sources, [f"seed{i}" for i in range(num_models)])
    assert (found.num_utterances, found.symbols, found.frame_shift_ms) == (5, SYMBOLS, 10.0)
    seen = []
    for names, logits, lengths in found.batches:
        for name, rows, length in zip(names, logits, lengths.tolist(), strict=True):
            seen.append(name)
            assert length == LENGTHS[name]
            mean = torch.stack([model[name].double().softmax(1) for model in models]).mean(0)
            assert torch.allclose(rows[:length].double().softmax(1), mean, rtol=1e-12, atol=1e-14)
            assert num_models == 1 or rows.dtype == torch.float64
    assert sorted(seen) == sorted(LENGTHS)


def test_combined_by_sequences_the_posteriors_of_all_models_are_kept() -> None:
    models = [utterances(seed) for seed in range(3)]
    sources = [source(batches(model, 2 + i, i, room=i)) for i, model in enumerate(models)]
    seen = []
    for names, logits, lengths in ensemble_source(sources, ["x", "y", "z"], combine="sequences").batches:
        assert logits.shape[1] == 3
        for name, rows, length in zip(names, logits, lengths.tolist(), strict=True):
            seen.append(name)
            for found, model in zip(rows, models, strict=True):
                assert torch.allclose(found[:length].softmax(1), model[name].softmax(1), atol=1e-6)
    assert sorted(seen) == sorted(LENGTHS)


def test_unknown_combinations_are_refused() -> None:
    with pytest.raises(ValueError, match="combine is 'votes'; it must be one of posteriors, sequences"):
        ensemble_source([source([])], ["x"], combine="votes")


def test_improbable_classes_neither_underflow_nor_vanish() -> None:
    sure = {name: rows * 0 + torch.tensor([0.0, -2000.0, -1000.0]) for name, rows in utterances(0).items()}
    found = ensemble_source([source(batches(sure, 2)), source(batches(sure, 2))], ["x", "y"])
    for _, logits, lengths in found.batches:
        for rows, length in zip(logits, lengths.tolist(), strict=True):
            assert torch.equal(rows[:length], torch.tensor([0.0, -2000.0, -1000.0]).double().expand(length, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"symbols": ["aa", "d"]}, "seed2: class 1 is 'd', but 'b' in seed1; decode only models of the same symbols"),
        ({"symbols": ["aa"]}, "seed2: has 1 symbols, and seed1 has 2; decode only models of the same symbols"),
        ({"stride": 3}, "seed2: its output frames are 30 ms apart, but those of seed1 20 ms; decode only models of"),
    ],
)
def test_models_of_other_symbols_or_frame_rate_are_refused_before_logits_are_computed(options, message) -> None:
    first = source([], frame_shift_ms=10.0, stride=2)
    other = source([], **{"frame_shift_ms": 10.0, "stride": 2, **options})
    with pytest.raises(DataError, match=message):
        ensemble_source([first, other], ["seed1", "seed2"])


def test_other_numbers_of_frames_and_missing_utterances_are_named() -> None:
    logits = utterances(0)
    for other, message in (
        (logits | {"d": logits["d"][:6]}, "seed2: utterance d has 6 output frames, but 7 in seed1"),
        ({name: logits[name] for name in "abce"}, "seed2: has no logits of utterance d"),
    ):
        found = ensemble_source([source(batches(logits, 2)), source(batches(other, 2))], ["seed1", "seed2"])
        with pytest.raises(DataError, match=message):
            list(found.batches)
