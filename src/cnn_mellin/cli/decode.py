"""`cnn-mellin decode`: recognise a partition with a model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_mellin.errors import SettingsError

if TYPE_CHECKING:
    from cnn_mellin.decoding.recognition import DecoderSetting, Recognition

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to those of a parser."""
    parser = subparsers.add_parser(
        "decode",
        help="recognise a partition",
        description="Recognise every utterance of a partition: greedily, or with --beam-width by a CTC prefix search, "
        "which a language model may help (--lm-beta). The model computes its logits once, whatever the number of "
        "settings. With one setting OUT is a trn file, a line an utterance in the symbols that the model was trained "
        "on. With several it is a folder of PART.SETTING.trn, as `cnn-mellin compare` reads it: choose among them on "
        "the dev part.",
    )
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="folder of a trained model")
    parser.add_argument("partition", metavar="PARTITION", help="features to recognise")
    parser.add_argument("out", metavar="OUT", type=Path, help="trn file, or a folder for several settings")
    parser.add_argument(
        "--beam-width", type=int, nargs="+", default=[], metavar="W", help="prefixes to keep (default: greedy search)"
    )
    parser.add_argument(
        "--lm-beta",
        type=float,
        nargs="+",
        default=[0.0],
        metavar="B",
        help="weights of the language model (default: 0)",
    )
    parser.add_argument(
        "--lm", metavar="ARPA", help="language model (default: lm.arpa.gz in the ext folder beside the partition)"
    )
    parser.add_argument(
        "--epoch", type=int, metavar="E", help="weights of this epoch (default: the best; 0: before training)"
    )
    parser.add_argument("--ctm", action="store_true", help="write times of the best, beside each trn file, as .ctm")
    parser.add_argument(
        "--num-best",
        type=int,
        default=1,
        metavar="N",
        help="above 1, write N-best lists beside each trn file, as .jsonl",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Decode."""
    from cnn_mellin.cli.compute_device import compute_device
    from cnn_mellin.data.tensor_files import open_partition
    from cnn_mellin.decoding.recognition import recognise
    from cnn_mellin.errors import DataError
    from cnn_mellin.language_models import NgramModel
    from cnn_mellin.training import load_model
    from cnn_mellin.training.evaluation import partition_logits

    settings = _settings(arguments)
    model, description = load_model(arguments.model_dir, epoch=arguments.epoch, device=compute_device(arguments))
    partition = open_partition(arguments.partition)
    if partition.num_coefficients != description.num_features:
        raise DataError(
            f"{partition.path}: has {partition.num_coefficients} coefficients a frame, but {arguments.model_dir} was "
            f"trained on {description.num_features} ({description.feature_type or 'features without a name'})"
        )
    partition.check_finite()
    language_model = None
    if any(setting.lm_weight for setting in settings):
        arpa = arguments.lm or partition.path.parent / "ext" / "lm.arpa.gz"
        language_model = NgramModel.from_arpa(arpa, description.symbols)
    batches = list(partition_logits(model, partition))
    stride = description.as_settings().model.window_stride
    frame_s = stride * (partition.description.frame_shift_ms or description.frame_shift_ms or 10.0) / 1000
    single = len(settings) == 1
    if not single:
        arguments.out.mkdir(parents=True, exist_ok=True)
    for setting in settings:
        found = recognise(batches, setting, language_model, num_best=arguments.num_best)
        path = arguments.out if single else arguments.out / f"{partition.path.name}.{setting.name}.trn"
        _write(path, found, description.symbols, frame_s, ctm=arguments.ctm, n_best=arguments.num_best > 1)
        empty = sum(not recognition.classes for recognition in found.values())
        print(f"{path}: {len(found)} utterances, {empty} of them empty ({setting.name})")
    return 0


def _settings(arguments: argparse.Namespace) -> list[DecoderSetting]:
    """Every width with every weight."""
    from cnn_mellin.decoding.recognition import DecoderSetting

    for name, values, least in (("--beam-width", arguments.beam_width, 1), ("--lm-beta", arguments.lm_beta, 0)):
        for value in values:
            if not value >= least:
                raise SettingsError(f"{name} {value}: must be at least {least}")
    widest = min(arguments.beam_width, default=1)
    if not 1 <= arguments.num_best <= widest:
        rule = f"must lie in 1..{widest}, the narrowest beam" if arguments.beam_width else "needs --beam-width above 1"
        raise SettingsError(f"--num-best {arguments.num_best}: {rule}")
    if not arguments.beam_width:
        if any(arguments.lm_beta) or arguments.lm:
            raise SettingsError("--lm and --lm-beta need --beam-width: a greedy search takes no language model")
        return [DecoderSetting()]
    pairs = [(width, weight) for width in arguments.beam_width for weight in arguments.lm_beta]
    return [DecoderSetting(width, weight) for width, weight in dict.fromkeys(pairs)]


def _write(
    path: Path,
    found: dict[str, Recognition],
    symbols: Sequence[str],
    frame_s: float,
    *,
    ctm: bool,
    n_best: bool,
) -> None:
    from cnn_mellin.decoding.n_best import write_n_best
    from cnn_mellin.scoring.transcripts import write_ctm, write_trn

    write_trn(path, {name: [symbols[c] for c in recognition.classes] for name, recognition in found.items()})
    if ctm:
        times = {
            name: [(first * frame_s, end * frame_s, symbols[c]) for c, first, end in recognition.segments]
            for name, recognition in found.items()
        }
        write_ctm(path.with_suffix(".ctm"), times)
    if n_best:
        lists = {
            name: [([symbols[c] for c in classes], score) for classes, score in recognition.n_best]
            for name, recognition in found.items()
        }
        write_n_best(path.with_suffix(".jsonl"), lists)
