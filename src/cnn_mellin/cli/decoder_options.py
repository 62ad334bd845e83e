"""Options of the decoder, which `decode` and `transcribe` share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from cnn_mellin.errors import SettingsError

if TYPE_CHECKING:
    from cnn_mellin.decoding.recognition import DecoderSetting

__all__ = ["add_decoder_options", "decoder_settings"]


def add_decoder_options(parser: argparse.ArgumentParser, lm_default: str, *, several: bool) -> None:
    """Add `--beam-width`, `--lm-beta`, `--lm`, `--num-best` and `--epoch`.

    Args:
        parser: to add them to.
        lm_default: what the help says of `--lm` where it is not given.
        several: whether several widths and weights may be given.
    """
    many: dict[str, Any] = {"nargs": "+"} if several else {"nargs": 1}
    parser.add_argument(
        "--beam-width",
        type=int,
        default=[],
        metavar="W",
        help="prefixes to keep (default: greedy search)",
        **many,
    )
    parser.add_argument(
        "--lm-beta",
        type=float,
        default=[0.0],
        metavar="B",
        help=f"{'weights' if several else 'weight'} of the language model (default: 0)",
        **many,
    )
    parser.add_argument("--lm", metavar="ARPA", help=f"language model ({lm_default})")
    parser.add_argument(
        "--num-best", type=int, default=1, metavar="N", help="sequences to list for each utterance (default: 1)"
    )
    parser.add_argument(
        "--epoch", type=int, metavar="E", help="weights of this epoch (default: the best; 0: before training)"
    )


def decoder_settings(arguments: argparse.Namespace) -> list[DecoderSetting]:
    """Every width with every weight.

    Raises:
        SettingsError: an option breaks a rule.
    """
    from cnn_mellin.decoding.recognition import DecoderSetting

    for name, values, least in (("--beam-width", arguments.beam_width, 1), ("--lm-beta", arguments.lm_beta, 0)):
        for value in values:
            if not least <= value < float("inf"):
                rule = f"at least {least}" + (" and finite" if value > least else "")
                raise SettingsError(f"{name} {value}: must be {rule}")
    widest = min(arguments.beam_width, default=1)
    if not 1 <= arguments.num_best <= widest:
        rule = f"must lie in 1..{widest}, the narrowest beam" if arguments.beam_width else "needs --beam-width above 1"
        raise SettingsError(f"--num-best {arguments.num_best}: {rule}")
    if arguments.lm and not any(arguments.lm_beta):
        raise SettingsError(
            f"--lm and --lm-beta belong together: --lm {arguments.lm} has no weight; give --lm-beta above 0, or leave "
            "--lm out"
        )
    if not arguments.beam_width:
        if any(arguments.lm_beta):
            raise SettingsError(
                "--lm and --lm-beta need --beam-width: a greedy search takes no language model; give --beam-width 16"
            )
        return [DecoderSetting()]
    pairs = [(width, weight) for width in arguments.beam_width for weight in arguments.lm_beta]
    return [DecoderSetting(width, weight) for width, weight in dict.fromkeys(pairs)]
