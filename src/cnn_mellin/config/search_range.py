"""What the hyperparameter search may draw for a setting: data that stands beside the setting."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SearchChoices", "SearchRange", "SearchSpace"]


@dataclass(frozen=True, slots=True)
class SearchRange:
    """Numbers that a search draws from, both ends included.

    Args:
        low: smallest value.
        high: largest value.
        log: draw uniformly in the logarithm.
        raw_factor: both ends are multiplied by it for raw audio, whose frames are single samples.
        on_raw: False where the setting means nothing for raw audio (one coefficient a frame).
        needs: another setting of the same section that must be true or above zero for this one to matter.
        most: a sum of settings of the same section and whole numbers that bounds the draw as well, such as
            `convolutional_layers + 1`; where one of them is not set, there is no such bound.
        by_name_only: searched only where it is asked for by its whole name, so that searches stay what they were.

    >>> SearchRange(2, 10, raw_factor=100).bounds(raw=True)
    (200, 1000)
    """

    low: float
    high: float
    log: bool = False
    raw_factor: int = 1
    on_raw: bool = True
    needs: str | None = None
    most: str | None = None
    by_name_only: bool = False

    def bounds(self, *, raw: bool = False) -> tuple[float, float]:
        """Smallest and largest value, for raw audio or for features."""
        factor = self.raw_factor if raw else 1
        return self.low * factor, self.high * factor


@dataclass(frozen=True, slots=True)
class SearchChoices:
    """Values that a search chooses among; `on_raw` and `needs` as in `SearchRange`.

    Args:
        choices: the values.
        by_name_only: searched only where it is asked for by its whole name, as it decides what a study is about.
    """

    choices: tuple[bool | str, ...] = (False, True)
    on_raw: bool = True
    needs: str | None = None
    by_name_only: bool = False


SearchSpace = SearchRange | SearchChoices
