"""The layers and their operations need torch and numpy only; the program says what else it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

# typing_extensions is torch's own requirement, torchgen is of its distribution; both are imported with it.
BLOCK = """
import sys

ALLOWED = {"cnn_mellin", "numpy", "torch", "torchgen", "typing_extensions"} | set(sys.stdlib_module_names)


class OthersAreMissing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, OthersAreMissing())
"""
LAYERS = """
import cnn_mellin.layers as layers
import torch

for make, shape in [
    (lambda: layers.MellinConv1d(2, 3, 4), (2, 2, 20)),
    (lambda: layers.MellinLinearConv2d(1, 3, (3, 3)), (2, 1, 20, 9)),
    (lambda: layers.AttentionPooling(4, 3), (2, 4, 20, 3)),
    (lambda: layers.LogTimeFrontEnd(4, 3, 2, window_size=4, window_stride=2, kernel_offset=2), (2, 4, 20)),
]:
    layer = make()
    layer(torch.randn(shape, requires_grad=True)).sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())
"""
OPS = """
import cnn_mellin.ops as ops
import torch

signal, kernel = torch.randn(1, 1, 12, requires_grad=True), torch.randn(2, 1, 3)
ops.mellin_correlate_1d(signal, kernel).sum().backward()
assert signal.grad is not None
"""
TESTING = """
import cnn_mellin.testing
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own in which all packages but those of `ALLOWED` seem not to be installed."""
    command = [sys.executable, "-c", BLOCK + program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("program", [LAYERS, OPS, TESTING], ids=["layers", "ops", "testing"])
def test_torch_and_numpy_are_enough(program):
    done = run(program)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("module", ["pydantic", "yaml", "filelock", "soundfile", "soxr", "tqdm", "scipy"])
def test_the_others_are_blocked(module):
    assert f"No module named '{module}'" in run(f"import {module}").stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "package"),
    [
        (["--print-ini"], "settings: needs pydantic"),
        (["train", "train", "dev", "model"], "train: needs "),
        (["prep", "timit", "corpus", "data"], "prep: needs "),
        (["transcribe", "model", "a.wav"], "transcribe: needs "),
    ],
)
def test_a_command_names_what_it_lacks_and_how_to_install_it(arguments, package, tmp_path):
    done = run(
        f"import os; os.chdir({str(tmp_path)!r}); from cnn_mellin.cli.main import main; sys.exit(main())", *arguments
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"cnn-mellin: {package}")
    assert "not installed; install the packages of the program with: " in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
