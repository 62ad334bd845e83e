"""Decoding options of the command line, checked."""

from __future__ import annotations

import argparse
import math

from cnn_mellin.config.decoder_setting import DecoderSetting
from cnn_mellin.errors import SettingsError

__all__ = ["decoder_settings"]


def decoder_settings(arguments: argparse.Namespace) -> list[DecoderSetting]:
    """Combine all beam widths, language model weights, insertion bonuses and blank biases.

    Args:
        arguments: arguments of the command line, among them those of `add_decoder_options`.

    Raises:
        SettingsError: an option breaks a rule.
    """
    for name, values, least in (("--beam-width", arguments.beam_width, 1), ("--lm-weight", arguments.lm_weight, 0)):
        for value in values:
            if not least <= value < float("inf"):
                rule = f"at least {least}" + (" and finite" if value > least else "")
                raise SettingsError(f"{name} {value}: must be {rule}")
    for name, values in (("--insertion-bonus", arguments.insertion_bonus), ("--blank-bias", arguments.blank_bias)):
        for value in values:
            if not math.isfinite(value):
                raise SettingsError(f"{name} {value}: must be finite")
    narrowest = min(arguments.beam_width, default=1)
    if not 1 <= arguments.num_best <= narrowest:
        rule = "needs --beam-width above 1"
        if arguments.beam_width:
            rule = f"must lie in 1..{narrowest}, the narrowest beam"
        raise SettingsError(f"--num-best {arguments.num_best}: {rule}")
    if arguments.lm and not any(arguments.lm_weight):
        raise SettingsError(
            f"--lm and --lm-weight belong together: --lm {arguments.lm} has no weight; pass --lm-weight above 0, or "
            "leave --lm out"
        )
    if not arguments.beam_width and any(arguments.lm_weight):
        raise SettingsError(
            "--lm and --lm-weight need --beam-width: greedy search uses no language model; pass --beam-width 16"
        )
    if not arguments.beam_width and any(arguments.insertion_bonus):
        raise SettingsError(
            "--insertion-bonus needs --beam-width: greedy search has no scores to add it to; pass --beam-width 16, or "
            "--blank-bias -1 against deletions"
        )
    return DecoderSetting.grid(
        arguments.beam_width, arguments.lm_weight, arguments.insertion_bonus, arguments.blank_bias
    )
