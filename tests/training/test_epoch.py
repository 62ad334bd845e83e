from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from cnn_mellin.config import Settings
from cnn_mellin.data.batch import Batch
from cnn_mellin.training.epoch import EpochResult, Stepper, train_epoch
from cnn_mellin.training.model_folder import new_model
from cnn_mellin.training.optimizer import make_optimizer

NUM_FEATURES, NUM_SYMBOLS = 7, 5
OPTIMIZERS = ["adam", "sgd", "rms"]
# The first updates of Adam move every weight by the learning rate, also where rounding decides the gradient's sign.
NEAR = {"cpu": 1e-6, "pretend": 1e-4, "cuda": 2e-3}


def settings(optimizer: str = "adam", **training: Any) -> Settings:
    model = {
        "seed": 1,
        "convolutional_mellin": True,
        "convolutional_layers": 1,
        "convolutional_initial_channels": 3,
        "window_size": 5,
        "recurrent_layers": 1,
        "recurrent_size": 4,
        "utterance_normalization": "mean",
    }
    return Settings().updated({"model": model, "training": {"optimizer": optimizer, "dropout_prob": 0, **training}})


def stepper(device: str, config: Settings) -> Stepper:
    model = new_model(config, NUM_FEATURES, NUM_SYMBOLS, torch.full((NUM_FEATURES,), 2.0)).to(device)
    return Stepper(model.train(), make_optimizer(model, config), config.training)


def batches(number: int, spoilt: Sequence[int] = ()) -> list[Batch]:
    """Batches of three utterances each, of random lengths; in spoilt ones, a feature is not a number."""
    generator = torch.Generator().manual_seed(7)
    made = []
    for place in range(number):
        lengths = torch.randint(9, 25, (3,), generator=generator)
        features = torch.randn(3, int(lengths.max()), NUM_FEATURES, generator=generator)
        if place in spoilt:
            features[0, 0, 0] = float("nan")
        references = torch.randint(0, NUM_SYMBOLS, (6,), generator=generator)
        names = [f"{place}-{i}" for i in range(3)]
        made.append(Batch(names, features, lengths, references, torch.tensor([2, 3, 1])))
    return made


def state_of(made: Stepper) -> list[torch.Tensor]:
    """Copies of weights and of the optimizer's state, on the CPU."""
    state = [weight.detach() for weight in made.model.parameters()]
    state += [value for values in made.optimizer.state.values() for value in values.values()]
    return [value.cpu().clone() for value in state]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_epoch_on_any_device_equals_one_on_the_cpu(device, optimizer, monkeypatch):
    monkeypatch.setattr("cnn_mellin.training.epoch._UPDATES_PER_READ", 2)
    config = settings(optimizer, max_gradient_norm=1, log10_learning_rate=-3)
    expected, found = stepper("cpu", config), stepper(device, config)
    results = [train_epoch(each, batches(5, spoilt=[1])) for each in (expected, found)]
    assert [result.not_finite for result in results] == 2 * [[["1-0", "1-1", "1-2"]]]
    assert [(result.num_batches, result.num_utterances) for result in results] == 2 * [(5, 12)]
    assert results[1].total_loss == pytest.approx(results[0].total_loss, rel=1e-4)
    for one, other in zip(state_of(expected), state_of(found), strict=True):
        assert torch.allclose(one, other, atol=NEAR[device])


def test_intermediate_ctc_has_its_share_of_the_gradient_but_not_of_the_losses_that_are_shown(device):
    batch, gradients = batches(1)[0], {}
    for share in (0, 0.25, 0.5, 0.75):
        made = stepper(device, settings("sgd", intermediate_ctc_weight=share))
        losses = made(batch)[0]
        torch.testing.assert_close(losses, stepper(device, settings("sgd"))(batch)[0])
        weights = made.model.named_parameters()
        gradients[share] = {name: weight.grad for name, weight in weights if weight.grad is not None}
    assert "intermediate_out.weight" not in gradients[0]
    assert gradients[0.5]["intermediate_out.weight"].any()
    for name, found in gradients[0.5].items():
        torch.testing.assert_close(2 * found, gradients[0.25][name] + gradients[0.75][name], atol=1e-4, rtol=1e-3)
        if name.startswith(("rnn.", "out.")):
            torch.testing.assert_close(2 * found, gradients[0][name], atol=1e-4, rtol=1e-3)
        elif name.startswith("convs."):
            assert not torch.allclose(2 * found, gradients[0][name], atol=1e-3)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
def test_a_batch_that_is_not_finite_changes_neither_weights_nor_state(device, optimizer, first):
    good, bad = batches(2, spoilt=[1])
    made = stepper(device, settings(optimizer))
    if not first:
        assert bool(made(good)[2])
    before = state_of(made)
    assert not bool(made(bad)[2])
    after = state_of(made)
    assert all(map(torch.equal, before, after))
    assert not any(state.any() for state in after[len(before) :])  # made by the first step, as zeros
    assert bool(made(good)[2])
    assert not all(map(torch.equal, before, state_of(made)))


@pytest.mark.slow
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_update_sends_one_transfer_and_waits_for_nothing(pretend, optimizer, autocast):
    made = stepper("pretend", settings(optimizer, autocast=autocast, max_gradient_norm=1))
    first, *rest = batches(3)
    made(first)  # sends the indices of the layers, which stay
    with pretend.counting() as counts:
        for batch in rest:
            made(batch)
    assert (len(counts.to_device), counts.to_host, counts.waits) == (2, [], {})
    assert counts.launches > 0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is present")
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_on_cuda_nothing_but_torchs_ctc_waits(optimizer, autocast, monkeypatch):
    def without_ctc(logits: torch.Tensor, *_: Any) -> torch.Tensor:
        return logits.float().square().mean((1, 2))

    made = stepper("cuda", settings(optimizer, autocast=autocast, max_gradient_norm=1))
    first, *rest = batches(4)
    made(first)
    monkeypatch.setattr("cnn_mellin.training.epoch.ctc_losses", without_ctc)
    made(first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that this mode is a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in rest:
            made(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_an_epoch_reads_its_losses_once_per_many_updates_and_at_its_end(pretend, monkeypatch):
    monkeypatch.setattr("cnn_mellin.training.epoch._UPDATES_PER_READ", 3)
    made = stepper("pretend", settings())
    with pretend.counting() as counts:
        result = train_epoch(made, batches(7))
    assert len(counts.to_host) == 3
    assert result.num_utterances == 21
    asked = iter([False, True])
    with pretend.counting() as counts:
        partial = train_epoch(made, batches(7), stop=lambda: next(asked))
    assert (len(counts.to_host), partial.num_batches, partial.num_utterances) == (1, 2, 6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_interrupted_epoch_equals_a_whole_one_also_from_a_state_of_the_cpu(device, optimizer):
    config = settings(optimizer)
    whole, begun = stepper(device, config), stepper("cpu", config)
    expected = train_epoch(whole, batches(4, spoilt=[2]))
    asked = iter([False, True])
    partial = train_epoch(begun, batches(4, spoilt=[2]), stop=lambda: next(asked))
    resumed = stepper(device, config)
    resumed.model.load_state_dict(begun.model.state_dict())
    resumed.optimizer.load_state_dict(copy.deepcopy(begun.optimizer.state_dict()))
    for group, own in zip(resumed.optimizer.param_groups, whole.optimizer.param_groups, strict=True):
        assert [group.get(name) for name in ("fused", "capturable")] == [own.get("fused"), own.get("capturable")]
    found = train_epoch(resumed, batches(4, spoilt=[2])[2:], partial=partial)
    expected.seconds = found.seconds = 0
    exact = device == "cpu"
    assert found == expected if exact else found.total_loss == pytest.approx(expected.total_loss, rel=1e-4)
    for one, other in zip(state_of(whole), state_of(resumed), strict=True):
        assert torch.equal(one, other) if exact else torch.allclose(one, other, atol=NEAR[device])


def test_references_that_ctc_cannot_emit_are_named():
    (batch,) = batches(1)
    batch.references, batch.reference_lengths = torch.zeros(22, dtype=torch.int64), torch.tensor([20, 1, 1])
    result = train_epoch(stepper("cpu", settings()), [batch])
    assert result.not_emittable == ["0-0"]
    assert isinstance(result, EpochResult)
