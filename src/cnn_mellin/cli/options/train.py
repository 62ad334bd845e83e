"""Options of `cnn-mellin train`."""

from __future__ import annotations

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
Train an acoustic model with CTC. Settings come from --read-ini, --read-json or --read-yaml.

The same command resumes an interrupted training and ends with the same weights. After a kill it resumes from the last
checkpoint, which is at most some minutes old (--save-every). On SIGTERM and SIGUSR1, which clusters send before they
take the machine back, it finishes its batch, saves, and exits with status 75, so that nothing is lost.

Several processes train one model if torchrun starts them; each computes a share of every batch (docs/data-parallel.md):

  torchrun --nproc-per-node 2 -m cnn_mellin --read-ini F train TRAIN DEV MODEL_DIR --device cuda
"""
EXAMPLES = [
    "cnn-mellin --read-ini demo-mcorr train data/fbank-81-10ms/train data/fbank-81-10ms/dev model",
    "cnn-mellin --read-ini mine.ini train data/raw/train data/raw/dev raw-model --device cuda --seed 3",
]


def add_options(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument("train", metavar="TRAIN", help="partition to train on")
    parser.add_argument(
        "dev", metavar="DEV", nargs="?", help="partition whose PER chooses the best epoch and stops the training early"
    )
    parser.add_argument(
        "model_dir", metavar="MODEL_DIR", help="folder of the model; if it holds an unfinished training, that resumes"
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="seed of weights, order and dropout: overrides [model] seed and [training] seed, for several trainings "
        "with the same settings",
    )
    parser.add_argument(
        "--compile",
        dest="compiled",
        action="store_true",
        help="compile the convolutional layers, for speed (needs a C++ compiler, and minutes before the first batch); "
        "results are equal up to rounding, so use it for a whole training or not at all",
    )
    parser.add_argument(
        "--save-every",
        dest="save_every_minutes",
        type=float,
        default=10.0,
        metavar="MINUTES",
        help="save the state within an epoch every so many minutes, so that a kill loses no more; 0 saves after whole "
        "epochs only (default: 10)",
    )
    parser.add_argument(
        "--no-tensorboard",
        action="store_true",
        help="do not write MODEL_DIR/tensorboard (written by default if TensorBoard is installed)",
    )
