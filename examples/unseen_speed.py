"""Recognise patterns at speeds that were not in the training data: Mellin against linear convolution.

There are eight classes of sound, each with three bumps of energy at positions of its own. Two networks learn to
distinguish them at a single speed: a convolution of 16 kernels of 24 frames, its maximum along time, and a linear
layer. The networks differ only in the convolution: in log time (Mellin), or in time, dilated so that it spans as many
frames. Then both are tested on the same classes at speeds that they have never seen.

A slower sound is the same sound shifted in log time: the outputs of the Mellin layer move along time, and their maximum
stays the same. To the linear layer, it is a new sound.

    python examples/unseen_speed.py
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch

from cnn_mellin.layers import MellinConv1d

__all__ = ["Recogniser", "accuracies", "sounds", "train"]

NUM_CLASSES, NUM_FRAMES, NUM_KERNELS, KERNEL_LENGTH = 8, 2400, 16, 24
SPEEDS = (0.5, 0.6, 0.75, 0.9, 1.0, 1.1, 1.3, 1.6, 2.0)
DILATION = 20  # dilation of the linear kernel, which spans 460 frames


def sounds(number: int, speed: float, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Generate noisy examples at a speed.

    Args:
        number: number of examples.
        speed: speed of the sounds; 2 is twice as fast, in half the frames.
        generator: source of noise and classes; the pattern of each class is always the same.

    Returns:
        Signals (number, 1, NUM_FRAMES) and classes (number,).

    >>> signals, classes = sounds(5, 1.0, torch.Generator().manual_seed(1))
    >>> signals.shape, classes.shape
    (torch.Size([5, 1, 2400]), torch.Size([5]))
    """
    patterns = torch.Generator().manual_seed(0)
    places = 180 * 3 ** torch.rand(NUM_CLASSES, 3, generator=patterns)  # frames at speed 1, 180 to 540
    classes = torch.randint(NUM_CLASSES, (number,), generator=generator)
    frames = torch.arange(1, NUM_FRAMES + 1).log()
    distances = frames - (places[classes] / speed).log().unsqueeze(2)  # (number, 3, frames), in log time
    signals = torch.exp(-0.5 * (distances / 0.08) ** 2).sum(1, keepdim=True)
    return signals + 0.1 * torch.randn(number, 1, NUM_FRAMES, generator=generator), classes


class Recogniser(torch.nn.Module):
    """A convolution, its maximum along time, and a linear layer.

    Args:
        convolution: layer from (N, 1, T) to (N, NUM_KERNELS, T').

    Shapes:
        (N, 1, T) -> (N, NUM_CLASSES).

    >>> Recogniser(torch.nn.Conv1d(1, NUM_KERNELS, KERNEL_LENGTH))(torch.zeros(2, 1, NUM_FRAMES)).shape
    torch.Size([2, 8])
    """

    def __init__(self, convolution: torch.nn.Module) -> None:
        super().__init__()
        self.convolution = convolution
        self.out = torch.nn.Linear(NUM_KERNELS, NUM_CLASSES)

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        """Compute the scores of the classes."""
        scores: torch.Tensor = self.out(self.convolution(signals).relu().amax(2))
        return scores


def train(model: torch.nn.Module, steps: int, generator: torch.Generator) -> None:
    """Train on sounds at speed 1, 32 new ones per step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        signals, classes = sounds(32, 1.0, generator)
        loss = torch.nn.functional.cross_entropy(model(signals), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def accuracies(steps: int, speeds: Sequence[float] = SPEEDS, number: int = 500) -> dict[str, list[float]]:
    """Train both networks, and compute their accuracy at each speed."""
    found: dict[str, list[float]] = {}
    for name in ("Mellin", "linear"):
        torch.manual_seed(1)
        convolution: torch.nn.Module = torch.nn.Conv1d(1, NUM_KERNELS, KERNEL_LENGTH, dilation=DILATION)
        if name == "Mellin":
            convolution = MellinConv1d(1, NUM_KERNELS, KERNEL_LENGTH, kernel_offset=8)
        model = Recogniser(convolution)
        train(model, steps, torch.Generator().manual_seed(2))
        found[name] = []
        for speed in speeds:
            signals, classes = sounds(number, speed, torch.Generator().manual_seed(3))
            with torch.no_grad():
                found[name].append((model(signals).argmax(1) == classes).float().mean().item())
    return found


def main() -> None:
    """Train, and print a table."""
    parser = argparse.ArgumentParser(description="Mellin against linear convolution at speeds not seen in training")
    parser.add_argument(
        "--steps", type=int, default=300, help="number of training steps, of 32 sounds each (default: %(default)s)"
    )
    found = accuracies(parser.parse_args().steps)
    print("accuracy in %, after training at speed 1")
    print("speed  " + "".join(f"{speed:>6}" for speed in SPEEDS))
    for name, correct in found.items():
        print(f"{name:7}" + "".join(f"{100 * proportion:6.0f}" for proportion in correct))


if __name__ == "__main__":
    main()
