"""The values that a hyperparameter search may try for a setting, written beside the setting."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SearchChoices", "SearchRange", "SearchSpace"]


@dataclass(frozen=True, slots=True)
class SearchRange:
    """Range of numbers that a search samples a setting from, ends included.

    Args:
        low: smallest value.
        high: largest value.
        log: sample uniformly in the logarithm.
        raw_factor: factor of both ends for raw audio, whose frames are single samples.
        on_raw: False if the setting has no effect for raw audio (one coefficient per frame).
        needs: another setting of the same section; this one matters only if that one is true or above zero.
        most: further upper bound: a sum of whole numbers and settings of the same section, such as
            `convolutional_layers + 1`; ignored if one of these settings is unset.
        by_name_only: search this setting only if it is asked for by its full name, so that searches over patterns of
            names stay what they were.

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
        """Smallest and largest value, for features or for raw audio."""
        factor = self.raw_factor if raw else 1
        return self.low * factor, self.high * factor


@dataclass(frozen=True, slots=True)
class SearchChoices:
    """Values that a search chooses from; `on_raw` and `needs` as in `SearchRange`.

    Args:
        choices: possible values.
        by_name_only: search this setting only if it is asked for by its full name, as it changes the kind of model.
    """

    choices: tuple[bool | str, ...] = (False, True)
    on_raw: bool = True
    needs: str | None = None
    by_name_only: bool = False


SearchSpace = SearchRange | SearchChoices
