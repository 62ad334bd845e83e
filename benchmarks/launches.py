"""Operations, copies and waits on an accelerator, counted on the pretend accelerator of the tests.

    python benchmarks/launches.py

No accelerator is needed: the device computes on the CPU and counts what reaches it. Views and allocations are left out;
padding counts twice, as a fill and a copy.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from cnn_mellin.config import Settings
from cnn_mellin.config.files import read_settings
from cnn_mellin.data.batch import Batch
from cnn_mellin.formats.text_table import format_table
from cnn_mellin.ops.geometry import geometry_of
from cnn_mellin.ops.mellin_correlation import Formulation, choose_formulation, correlate_by_formulation
from cnn_mellin.ops.plain_formulations import choose_plain_formulation
from cnn_mellin.training.epoch import Stepper, train_epoch
from cnn_mellin.training.model_folder import new_model
from cnn_mellin.training.optimizer import make_optimizer
from report import write_section

ROOT = Path(__file__).parents[1]
# frames, kernel frames, kernel coefficients (1: a layer in 1-d), kernel offset, input dilation
LAYERS = [
    (5, 3, 3, 1, 1),
    (10, 10, 3, 1, 1),
    (12, 5, 3, 1, 3),
    (64, 24, 9, 8, 1),
    (200, 3, 1, 1, 1),
    (1000, 10, 1, 1, 1),
]
NUM_UPDATES = 10


def pretend_accelerator() -> Any:
    """The module of the tests, with its device activated."""
    sys.path.insert(0, str(ROOT / "tests"))
    module: Any = __import__("pretend_accelerator")
    module.activate()
    return module


def layer_counts(accelerator: Any, shape: tuple[int, int, int, int, int]) -> list[str]:
    """Operations of a Mellin layer, forward + backward: in several convolutions or gathered groups, and as chosen."""
    frames, rows, width, offset, dilation = shape
    wide = width > 1
    padding = (width // 2, width // 2)
    signal = torch.randn(2, 3, frames, 8 if wide else 1).to(accelerator.NAME).requires_grad_()
    kernel = torch.randn(4, 3, rows, width).to(accelerator.NAME).requires_grad_()
    bias = torch.randn(4).to(accelerator.NAME).requires_grad_()
    along_time = (1, offset, dilation, frames // offset)
    geometry = geometry_of(signal.shape, kernel.shape, along_time, (1, 1, padding))
    chosen = choose_formulation(tuple(kernel.shape), signal.size(3), geometry, accelerator.NAME)
    plain: Formulation = choose_plain_formulation(*geometry.along_time)
    texts = []
    for formulation in (plain, chosen):

        def correlate(formulation: Formulation = formulation) -> torch.Tensor:
            return correlate_by_formulation(
                signal,
                kernel,
                bias,
                kernel_offset=offset,
                input_dilation=dilation,
                output_length=frames // offset,
                padding=padding,
                formulation=formulation,
            )

        grad_output = torch.ones_like(correlate())
        with accelerator.counting() as forward:
            out = correlate()
        with accelerator.counting() as backward:
            torch.autograd.grad(out, (signal, kernel, bias), grad_output)
        texts.append(f"{forward.launches} + {backward.launches} ({formulation})")
    return [str(shape), *texts]


def random_batches(number: int) -> list[Batch]:
    """Batches of four utterances of random features and lengths."""
    generator = torch.Generator().manual_seed(3)
    made = []
    for _ in range(number):
        lengths = torch.randint(30, 60, (4,), generator=generator)
        features = torch.rand(4, int(lengths.max()), 81, generator=generator)
        features.masked_fill_((torch.arange(features.size(1)) >= lengths.unsqueeze(1)).unsqueeze(2), 0)
        references = torch.randint(0, 10, (14,), generator=generator)
        made.append(Batch([str(i) for i in range(4)], features, lengths, references, torch.tensor([3, 4, 2, 5])))
    return made


def update_counts(accelerator: Any, name: str) -> list[str]:
    """Copies, waits and operations per update of a model without recurrent layers, over an epoch of ten updates."""
    settings = Settings() if name == "default, Mellin" else read_settings(ROOT / "conf" / "model" / f"{name}.ini")
    model: dict[str, Any] = {"recurrent_layers": 0, "seed": 1}
    if name == "default, Mellin":
        model["convolutional_mellin"] = True
    settings = settings.updated({"model": model})
    built = new_model(settings, 81, 48, torch.ones(81)).to(accelerator.NAME)
    stepper = Stepper(built, make_optimizer(built, settings), settings.training)
    train_epoch(stepper, random_batches(2))
    with accelerator.counting() as counts:
        train_epoch(stepper, random_batches(NUM_UPDATES))
    numbers = (len(counts.to_device), len(counts.to_host), counts.waits.total(), counts.launches)
    return [name, *(f"{number / NUM_UPDATES:g}" for number in numbers)]


def main() -> None:
    """Count, and write the section of docs/benchmarks.md."""
    accelerator = pretend_accelerator()
    layers = [layer_counts(accelerator, shape) for shape in LAYERS]
    updates = [update_counts(accelerator, name) for name in ("demo-lcorr", "demo-mcorr", "default, Mellin")]
    shape = "frames, kernel frames, kernel coefficients, kernel offset, input dilation"
    parts = [
        "## Operations on an accelerator",
        f"`python benchmarks/{Path(__file__).name}`; torch {torch.__version__}. Counted on a pretend accelerator, "
        "which computes on the CPU; views and allocations are left out. [accelerators.md](accelerators.md) says more.",
        "Operations of a Mellin layer, forward + backward: by the formulation for traced programs, which accelerators "
        "also used before, and by theirs.",
        format_table([shape, "before", "on accelerators"], layers, "markdown"),
        "Per update, in an epoch of ten, without recurrent layers (on CUDA, a whole recurrent layer is one call):",
        format_table(["model", "copies to the device", "copies from it", "waits", "operations"], updates, "markdown"),
    ]
    write_section("launches", "\n\n".join(parts))


if __name__ == "__main__":
    main()
