"""Phone recognisers of other projects and of textbooks, trained with CTC for a given processor time; for peers.py.

    python benchmarks/peer_models.py blstm MANIFEST OUT --minutes 4 20 --seed 1

- `blstm`: two bidirectional LSTM layers on 40 log mel filters, three frames side by side, trained with Adam and a
  learning rate that falls to 0 over the time; one training for each time.
- `crdnn-small`, `crdnn`: the CTC model of SpeechBrain's recipe for TIMIT, made of SpeechBrain's parts: filters, global
  normalisation, each utterance twice (as it is, and with another speed, dropped bands and dropped chunks; without the
  noises, which the recipe downloads), Adadelta and its schedule. `crdnn` has the published sizes; `crdnn-small` has 16
  and 32 channels instead of 128 and 256, and two LSTM layers of 128 instead of four LiGRU layers of 512. One training,
  of which the epoch that is best so far is taken at each time.

MANIFEST is JSON: partition (train, dev, test) -> a list of [utterance, recording, phones]. The program writes
`test-MINUTES.trn`, the greedily decoded test utterances of the epoch that is best on dev, and `sizes.json`. All of its
processor time counts except reading the recordings and decoding the test partition. It needs torch, soundfile and, for
crdnn, speechbrain 1.1.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import soundfile
import torch
from torch.nn.utils.rnn import pad_sequence

SAMPLE_RATE_HZ = 16000
Utterance = tuple[str, torch.Tensor, list[str]]


def read_manifest(path: Path) -> dict[str, list[Utterance]]:
    """Read a manifest and its recordings: partition -> utterances with samples and phones."""
    parts: dict[str, list[Utterance]] = {}
    for part, utterances in json.loads(path.read_text(encoding="utf-8")).items():
        parts[part] = []
        for name, recording, phones in utterances:
            samples, rate = soundfile.read(recording, dtype="float32")
            if rate != SAMPLE_RATE_HZ:
                raise SystemExit(f"{recording}: has {rate} Hz; must have {SAMPLE_RATE_HZ}")
            parts[part].append((name, torch.from_numpy(samples), phones))
    return parts


def errors_of(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Edit distance between two sequences of phones."""
    costs = list(range(len(hypothesis) + 1))
    for row, phone in enumerate(reference, start=1):
        above, costs[0] = costs[0], row
        for column, other in enumerate(hypothesis, start=1):
            above, costs[column] = (
                costs[column],
                min(above + (phone != other), costs[column] + 1, costs[column - 1] + 1),
            )
    return costs[-1]


class Recogniser:
    """A model with its optimizer and what it does to audio; class 0 is the blank.

    Args:
        phones: phones of the training partition.
    """

    optimizer: torch.optim.Optimizer
    learning_rate: float
    batch_size = 8
    follows_time = False  # whether the learning rate depends on the time that is given, so that each needs a training

    def __init__(self, phones: Sequence[str]) -> None:
        self.phones = ["", *phones]
        self.classes = {phone: number for number, phone in enumerate(self.phones)}

    def log_probs(self, signals: list[torch.Tensor], training: bool) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Log-probabilities of a batch.

        Returns:
            log-probabilities (N, T, classes), numbers of frames (N,), and how often the batch holds each utterance.
        """
        raise NotImplementedError

    def parameters(self) -> list[torch.nn.Parameter]:
        """Weights that are trained."""
        raise NotImplementedError

    def modules(self) -> list[torch.nn.Module]:
        """Parts of the model that have a state."""
        raise NotImplementedError

    def train_batch(self, batch: Sequence[Utterance], share_left: float) -> None:
        """Update the weights on a batch; `share_left` of the time is left, from 1 to 0."""
        for module in self.modules():
            module.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * (share_left if self.follows_time else 1)
        log_probs, lengths, copies = self.log_probs([samples for _, samples, _ in batch], training=True)
        references = [torch.tensor([self.classes[phone] for phone in phones]) for _, _, phones in batch] * copies
        sizes = torch.tensor([len(reference) for reference in references])
        loss = torch.nn.functional.ctc_loss(
            log_probs.transpose(0, 1), torch.cat(references), lengths, sizes, zero_infinity=True
        )
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters(), 5)
        self.optimizer.step()

    @torch.no_grad()
    def decode(self, utterances: Sequence[Utterance]) -> dict[str, list[str]]:
        """Greedy search: utterance -> phones."""
        for module in self.modules():
            module.eval()
        found = {}
        ordered = sorted(utterances, key=lambda utterance: len(utterance[1]))
        for batch in batches(ordered, self.batch_size):
            log_probs, lengths, _ = self.log_probs([samples for _, samples, _ in batch], training=False)
            for (name, _, _), best, length in zip(batch, log_probs.argmax(2), lengths.tolist(), strict=True):
                classes = torch.unique_consecutive(best[:length]).tolist()
                found[name] = [self.phones[number] for number in classes if number]
        return found

    def after_epoch(self, percent: float) -> None:
        """Adapt the learning rate to the phone error rate on dev."""

    def state(self) -> list[dict[str, Any]]:
        """Copy of the state of all parts."""
        return [{name: value.clone() for name, value in module.state_dict().items()} for module in self.modules()]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Restore a `state`."""
        for module, weights in zip(self.modules(), state, strict=True):
            module.load_state_dict(weights)


class Blstm(Recogniser):
    """Two bidirectional LSTM layers on log mel filters."""

    learning_rate = 2e-3
    follows_time = True

    def __init__(self, phones: Sequence[str], num_filters: int = 40, size: int = 128, side_by_side: int = 3) -> None:
        super().__init__(phones)
        self.num_filters, self.side_by_side = num_filters, side_by_side
        mel = torch.linspace(0, 2840, num_filters + 2)  # 0 to 8000 Hz
        edges = 700 * (10 ** (mel / 2595) - 1)
        hertz = torch.linspace(0, SAMPLE_RATE_HZ / 2, 257)[:, None]
        rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
        self.filters = torch.minimum(rising, falling).clamp(min=0)
        self.lstm = torch.nn.LSTM(
            side_by_side * num_filters, size, 2, dropout=0.2, bidirectional=True, batch_first=True
        )
        self.output = torch.nn.Linear(2 * size, len(self.phones))
        self.optimizer = torch.optim.Adam(self.parameters(), lr=self.learning_rate)
        self._features: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # id -> samples, features

    def modules(self) -> list[torch.nn.Module]:
        """Parts of the model that have a state."""
        return [self.lstm, self.output]

    def parameters(self) -> list[torch.nn.Parameter]:
        """Weights that are trained."""
        return [*self.lstm.parameters(), *self.output.parameters()]

    def features(self, samples: torch.Tensor) -> torch.Tensor:
        """Log mel filters (frames, side by side x filters), normalised over the utterance; computed once."""
        if id(samples) not in self._features:
            spectrum = torch.stft(samples, 512, 160, 400, torch.hann_window(400), return_complex=True).abs() ** 2
            found = (spectrum.T @ self.filters + 1e-6).log()
            found = (found - found.mean(0)) / (found.std(0) + 1e-3)
            whole = len(found) // self.side_by_side * self.side_by_side
            self._features[id(samples)] = samples, found[:whole].reshape(-1, self.side_by_side * self.num_filters)
        return self._features[id(samples)][1]

    def log_probs(self, signals: list[torch.Tensor], training: bool) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Log-probabilities, as in `Recogniser`."""
        features = [self.features(samples) for samples in signals]
        lengths = torch.tensor([len(part) for part in features])
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            pad_sequence(features, batch_first=True), lengths, batch_first=True, enforce_sorted=False
        )
        outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.output(outputs).log_softmax(2), lengths, 1


class Crdnn(Recogniser):
    """The CTC model of SpeechBrain's recipe for TIMIT, as published or smaller."""

    learning_rate = 1.0  # of Adadelta

    def __init__(self, phones: Sequence[str], small: bool) -> None:
        super().__init__(phones)
        import speechbrain
        from speechbrain.augment.augmenter import Augmenter
        from speechbrain.augment.time_domain import DropChunk, DropFreq, SpeedPerturb
        from speechbrain.lobes.features import Fbank
        from speechbrain.lobes.models.CRDNN import CRDNN
        from speechbrain.nnet.schedulers import NewBobScheduler
        from speechbrain.processing.features import InputNormalization

        rnn = speechbrain.nnet.RNN.LSTM if small else speechbrain.nnet.RNN.LiGRU
        size = 128 if small else 512
        self.fbank = Fbank(sample_rate=SAMPLE_RATE_HZ, n_fft=400, n_mels=40)
        self.normalize = InputNormalization(norm_type="global")
        self.augment = Augmenter(
            concat_original=True,
            min_augmentations=3,
            max_augmentations=3,
            augmentations=[
                SpeedPerturb(orig_freq=SAMPLE_RATE_HZ, speeds=[95, 100, 105]),
                DropFreq(drop_freq_low=0, drop_freq_high=1, drop_freq_count_low=1, drop_freq_count_high=3),
                DropChunk(drop_length_low=1000, drop_length_high=2000, drop_count_low=1, drop_count_high=5),
            ],
        )
        self.crdnn = CRDNN(
            input_size=40,
            dropout=0.15,
            cnn_blocks=2,
            cnn_channels=(16, 32) if small else (128, 256),
            cnn_kernelsize=(3, 3),
            time_pooling=True,
            rnn_class=rnn,
            rnn_layers=2 if small else 4,
            rnn_neurons=size,
            rnn_bidirectional=True,
            dnn_blocks=2,
            dnn_neurons=size,
        )
        self.output = torch.nn.Linear(size, len(self.phones))
        self.optimizer = torch.optim.Adadelta(self.parameters(), lr=1.0, rho=0.95, eps=1e-8)
        self.schedule = NewBobScheduler(1.0, annealing_factor=0.8, improvement_threshold=0.0025, patient=0)

    def modules(self) -> list[torch.nn.Module]:
        """Parts of the model that have a state."""
        return [self.crdnn, self.output, self.normalize]

    def parameters(self) -> list[torch.nn.Parameter]:
        """Weights that are trained."""
        return [*self.crdnn.parameters(), *self.output.parameters()]

    def log_probs(self, signals: list[torch.Tensor], training: bool) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Log-probabilities, as in `Recogniser`."""
        padded = pad_sequence(signals, batch_first=True)
        shares = torch.tensor([len(samples) / padded.size(1) for samples in signals])
        copies = 1
        if training:
            padded, shares = self.augment(padded, shares)
            copies = 2
        features = self.normalize(self.fbank(padded), shares)
        log_probs = self.output(self.crdnn(features)).log_softmax(2)
        return log_probs, (shares * log_probs.size(1)).round().long(), copies

    def after_epoch(self, percent: float) -> None:
        """Lower the learning rate as the recipe does."""
        self.learning_rate = self.schedule(percent / 100)[1]


def multiply_adds_per_second(model: Recogniser) -> int:
    """Multiply-adds of weights for one second of speech, in convolutions, recurrent and linear layers."""
    total = 0

    def count(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
        nonlocal total
        if isinstance(module, torch.nn.Linear):
            total += output.numel() * module.in_features
        elif isinstance(module, (torch.nn.Conv1d, torch.nn.Conv2d)):
            total += output.numel() * module.weight[0].numel()
        elif isinstance(module, torch.nn.LSTM):
            values = inputs[0].data
            frames = values.numel() // values.size(-1)
            total += frames * sum(weight.numel() for weight in module.parameters() if weight.dim() == 2)

    layers = [layer for module in model.modules() for layer in module.modules()]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    model.decode([("", 0.1 * torch.randn(10 * SAMPLE_RATE_HZ), [])])
    for hook in hooks:
        hook.remove()
    return total // 10


def batches(utterances: Sequence[Utterance], size: int) -> Iterator[Sequence[Utterance]]:
    """Consecutive batches."""
    for start in range(0, len(utterances), size):
        yield utterances[start : start + size]


def shuffled_batches(utterances: Sequence[Utterance], size: int, stream: random.Random) -> list[Sequence[Utterance]]:
    """Batches of utterances of similar length, in random order."""
    ordered = sorted(utterances, key=lambda utterance: len(utterance[1]) * stream.uniform(0.9, 1.1))
    found = list(batches(ordered, size))
    stream.shuffle(found)
    return found


def train(model: Recogniser, parts: dict[str, list[Utterance]], minutes: list[float], out: Path, seed: int) -> None:
    """Train until the processor time is over; write the best transcripts at each time."""
    stream, begun, spent_elsewhere = random.Random(seed), time.process_time(), 0.0
    best, percent_of_best, epoch, waiting = model.state(), 101.0, 0, list(minutes)

    def spent() -> float:
        return (time.process_time() - begun - spent_elsewhere) / 60

    while waiting:
        epoch += 1
        for batch in shuffled_batches(parts["train"], model.batch_size, stream):
            model.train_batch(batch, max(0.0, 1 - spent() / minutes[-1]))
            if spent() >= waiting[0]:
                break
        dev = model.decode(parts["dev"])
        errors = sum(errors_of(phones, dev[name]) for name, _, phones in parts["dev"])
        percent = 100 * errors / sum(len(phones) for _, _, phones in parts["dev"])
        model.after_epoch(percent)
        if percent < percent_of_best:
            best, percent_of_best = model.state(), percent
        print(f"epoch {epoch}, {spent():.1f} min: dev PER {percent:.1f} %", flush=True)
        while waiting and spent() >= waiting[0]:
            before, last = time.process_time(), model.state()
            model.restore(best)
            found = model.decode(parts["test"])
            model.restore(last)
            lines = [f"{' '.join(phones)} ({name})" for name, phones in sorted(found.items())]
            (out / f"test-{waiting.pop(0):g}.trn").write_text("\n".join(lines) + "\n", encoding="utf-8")
            spent_elsewhere += time.process_time() - before


def main() -> None:
    """Train one model, once or once per time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=["blstm", "crdnn-small", "crdnn"])
    parser.add_argument("manifest", type=Path, metavar="MANIFEST")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--minutes", type=float, nargs="+", required=True, help="processor minutes, the fewest first")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    parts = read_manifest(chosen.manifest)
    phones = sorted({phone for _, _, phones in parts["train"] for phone in phones})
    times = [[minutes] for minutes in chosen.minutes] if chosen.model == "blstm" else [chosen.minutes]
    for minutes in times:
        torch.manual_seed(chosen.seed)
        model = Blstm(phones) if chosen.model == "blstm" else Crdnn(phones, small=chosen.model == "crdnn-small")
        train(model, parts, minutes, chosen.out, chosen.seed)
    sizes = {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "multiply_adds_per_second": multiply_adds_per_second(model),
    }
    (chosen.out / "sizes.json").write_text(json.dumps(sizes), encoding="utf-8")


if __name__ == "__main__":
    main()
