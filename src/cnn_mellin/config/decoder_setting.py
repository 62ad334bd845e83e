"""Decoding options: beam width, weights and biases of a search."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

__all__ = ["DecoderSetting"]


@dataclass(frozen=True)
class DecoderSetting:
    """Decoding options.

    Args:
        beam_width: number of prefixes kept after each frame; None for a greedy search.
        lm_weight: weight of the language model's log-probability; 0 to decode without a language model.
        insertion_bonus: natural logarithm added to the score of a sequence per symbol; above 0 against deletions, below
            0 against insertions. A greedy search has no scores to add it to.
        blank_bias: natural logarithm added to the blank's log-probability in every frame, before the probabilities are
            normalised again; below 0 against deletions, above 0 against insertions.

    Raises:
        ValueError: the bonus or the bias is not finite, or a greedy search is given a bonus.

    >>> [DecoderSetting().name, DecoderSetting(8).name, DecoderSetting(8, 0.4).name]
    ['greedy', 'beam8', 'beam8-lm0.4']
    >>> DecoderSetting(8, 0.4, insertion_bonus=1, blank_bias=-0.5).name
    'beam8-lm0.4-bonus+1-blank-0.5'
    """

    beam_width: int | None = None
    lm_weight: float = 0.0
    insertion_bonus: float = 0.0
    blank_bias: float = 0.0

    def __post_init__(self) -> None:
        for name in ("insertion_bonus", "blank_bias"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)}; it must be finite")
        if self.beam_width is None and self.insertion_bonus:
            raise ValueError(
                f"insertion_bonus is {self.insertion_bonus:g}, but a greedy search has no scores to add it to; give a "
                "beam_width, or a bonus of 0"
            )

    @classmethod
    def grid(
        cls,
        beam_widths: Sequence[int] = (),
        lm_weights: Sequence[float] = (0.0,),
        insertion_bonuses: Sequence[float] = (0.0,),
        blank_biases: Sequence[float] = (0.0,),
    ) -> list[Self]:
        """All combinations of several values per option, without duplicates; no beam width means a greedy search.

        >>> [setting.name for setting in DecoderSetting.grid([8, 16], insertion_bonuses=[0, 1])]
        ['beam8', 'beam8-bonus+1', 'beam16', 'beam16-bonus+1']
        """
        widths: Sequence[int | None] = beam_widths or (None,)
        combinations = itertools.product(widths, lm_weights, insertion_bonuses, blank_biases)
        return list(dict.fromkeys(itertools.starmap(cls, combinations)))

    @property
    def name(self) -> str:
        """Name of the decoding options, used in file names; options that are 0 are left out."""
        if self.beam_width is None:
            name = "greedy"
        else:
            name = f"beam{self.beam_width}" + (f"-lm{self.lm_weight:g}" if self.lm_weight else "")
        name += f"-bonus{self.insertion_bonus:+g}" if self.insertion_bonus else ""
        return name + (f"-blank{self.blank_bias:+g}" if self.blank_bias else "")
