"""What a study searches: the settings it draws, their ranges, and the settings that a draw makes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cnn_mellin.config.search_range import SearchChoices, SearchRange, SearchSpace
from cnn_mellin.config.settings import SECTIONS, Settings
from cnn_mellin.errors import SettingsError
from cnn_mellin.nearest import nearest

if TYPE_CHECKING:
    import optuna

__all__ = ["Dimension", "choose_dimensions", "draw", "nearest_draw", "settings_of_draw"]


@dataclass(frozen=True)
class Dimension:
    """One setting of a study's search space.

    Args:
        name: `section.setting`.
        choices: values to choose among; empty for a range.
        low, high: ends of a range, both included.
        whole: of whole numbers.
        log: drawn uniformly in the logarithm.
        most: as in `SearchRange`.
    """

    name: str
    choices: tuple[bool | str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False
    most: str | None = None

    def __str__(self) -> str:
        """As a user reads it.

        >>> str(Dimension("model.window_size", (), 2, 10, whole=True))
        'model.window_size: from 2 to 10'
        """
        if self.choices:
            return f"{self.name}: {', '.join(map(str, self.choices))}"
        most = "" if self.most is None else f", at most {self.most}"
        return f"{self.name}: from {self.low:g} to {self.high:g}{' (log)' if self.log else ''}{most}"

    def as_dict(self) -> dict[str, Any]:
        """Values that JSON keeps."""
        return asdict(self) | {"choices": list(self.choices)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Dimension:
        """What `as_dict` gave."""
        return cls(**{**content, "choices": tuple(content["choices"])})

    def high_of(self, settings: Settings) -> float:
        """The upper end, given the settings that bound it."""
        if self.most is None:
            return self.high
        total, sign = 0, 1
        for word in self.most.split():
            if word in "+-":
                sign = 1 if word == "+" else -1
                continue
            value = int(word) if word.isdigit() else getattr(getattr(settings, self.name.partition(".")[0]), word)
            if value is None:
                return self.high
            total += sign * value
        return max(self.low, min(self.high, total))

    def distribution(self, high: float | None = None) -> optuna.distributions.BaseDistribution:
        """Optuna's form of it, by default of the whole range."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.choices:
            return CategoricalDistribution(self.choices)
        high = self.high if high is None else high
        if self.whole:
            return IntDistribution(int(self.low), int(high), log=self.log)
        return FloatDistribution(self.low, high, log=self.log)


def choose_dimensions(
    settings: Settings,
    *,
    raw: bool = False,
    whitelist: Sequence[str] | None = None,
    blacklist: Sequence[str] | None = None,
    warn: Callable[[str], None] = lambda _line: None,
) -> list[Dimension]:
    """The settings that a study searches.

    Args:
        settings: where the search starts; what is not searched keeps its value.
        raw: features are raw audio.
        whitelist, blacklist: regular expressions of whole `section.setting` names; at most one of the lists.
        warn: called with a line for every setting that leaves the search because it cannot matter.

    Raises:
        SettingsError: an expression is none or fits no setting, or nothing is left.

    >>> [d.name for d in choose_dimensions(Settings(), whitelist=["model.window_.*"])]
    ['model.window_size', 'model.window_stride']
    """
    spaces = _all_spaces()
    everything = [f"{section}.{name}" for section, kind in SECTIONS.items() for name in _fields(kind)]
    option = "--blacklist" if blacklist else "--whitelist"
    fits = _fitting(whitelist or blacklist or [], everything, option)
    if whitelist:
        _warn_of_never_searched(whitelist, fits, spaces, warn)
        chosen = [name for name in spaces if name in fits]
    else:
        chosen = [name for name in spaces if name not in fits]
    asked = {pattern.replace("\\", "") for pattern in whitelist or []}
    kept: list[str] = []
    for name in chosen:
        space = spaces[name]
        if space.by_name_only and name not in asked:
            value = _value(settings, name)
            warn(f"{name}: stays {value}; it is searched only where --whitelist has its whole name")
            continue
        kept.append(name)
    while True:  # what needs a setting that has just left may now be useless itself
        reasons = {name: _why_useless(name, spaces[name], settings, set(kept), raw) for name in kept}
        if not any(reasons.values()):
            break
        for name, reason in reasons.items():
            if reason:
                warn(f"{name}: leaves the search, as {reason}")
        kept = [name for name in kept if not reasons[name]]
    dimensions = [_dimension(name, spaces[name], raw) for name in kept]
    if not dimensions:
        raise SettingsError(f"{option}: leaves no setting to search; searchable are {', '.join(spaces)}")
    return _after_what_bounds_them(dimensions)


def draw(trial: optuna.Trial, dimensions: Sequence[Dimension], settings: Settings) -> dict[str, Any]:
    """Name -> value, each drawn once by a trial; one that was drawn for this trial before is the same.

    Args:
        trial: Optuna's.
        dimensions: in an order in which each comes after those that bound it.
        settings: where the search starts.
    """
    values: dict[str, Any] = {}
    for dimension in dimensions:
        now = settings_of_draw(settings, values) if dimension.most else settings
        name, choices = dimension.name, dimension.choices
        if choices:
            values[name] = trial.suggest_categorical(name, choices)
        elif dimension.whole:
            values[name] = trial.suggest_int(name, int(dimension.low), int(dimension.high_of(now)), log=dimension.log)
        else:
            values[name] = trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)
    return values


def settings_of_draw(settings: Settings, values: Mapping[str, Any], source: str = "trial") -> Settings:
    """The settings in which drawn values take the place of others.

    >>> settings_of_draw(Settings(), {"model.window_size": 7}).model.window_size
    7
    """
    sections: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, _, setting = name.partition(".")
        sections.setdefault(section, {})[setting] = value
    return settings.updated(sections, source)


def nearest_draw(settings: Settings, dimensions: Sequence[Dimension]) -> dict[str, Any]:
    """The draw that is nearest to some settings: their own values, moved into the ranges where they lie outside.

    A value that is not set is left to the draw.
    """
    values: dict[str, Any] = {}
    for dimension in dimensions:
        value = _value(settings, dimension.name)
        if value is None:
            continue
        if not dimension.choices:
            value = min(max(value, dimension.low), dimension.high_of(settings_of_draw(settings, values)))
            value = int(value) if dimension.whole else float(value)
        values[dimension.name] = value
    return values


def _fields(kind: type) -> dict[str, Any]:
    return kind.__pydantic_fields__  # type: ignore[attr-defined]


def _all_spaces() -> dict[str, SearchSpace]:
    """`section.setting` -> range or choices, of all settings that can be searched."""
    return {
        f"{section}.{name}": entry
        for section, kind in SECTIONS.items()
        for name, field in _fields(kind).items()
        for entry in field.metadata
        if isinstance(entry, SearchRange | SearchChoices)
    }


def _value(settings: Settings, name: str) -> Any:
    section, _, setting = name.partition(".")
    return getattr(getattr(settings, section), setting)


def _fitting(patterns: Sequence[str], names: Sequence[str], option: str) -> dict[str, str]:
    """Name -> the first pattern that fits it."""
    fits: dict[str, str] = {}
    for pattern in patterns:
        try:
            found = [name for name in names if re.fullmatch(pattern, name)]
        except re.error as error:
            raise SettingsError(f"{option} {pattern!r}: is no regular expression ({error})") from None
        if not found:
            raise SettingsError(
                f"{option} {pattern!r}: fits no setting (a whole name such as 'model.window_size', or a regular "
                f"expression such as 'training\\..*'); {nearest(pattern.replace(chr(92), ''), names)}"
            )
        for name in found:
            fits.setdefault(name, pattern)
    return fits


def _warn_of_never_searched(
    patterns: Sequence[str], fits: Mapping[str, str], spaces: Mapping[str, SearchSpace], warn: Callable[[str], None]
) -> None:
    for pattern in patterns:
        names = [name for name, fitting in fits.items() if fitting == pattern]
        if names and not any(name in spaces for name in names):
            warn(f"--whitelist {pattern!r}: is never searched ({', '.join(names)})")


def _why_useless(name: str, space: SearchSpace, settings: Settings, searched: set[str], raw: bool) -> str | None:
    """Why a setting cannot matter in any trial, or None."""
    if raw and not space.on_raw:
        return "features are raw audio (one coefficient a frame)"
    if space.needs is None:
        return None
    needed = f"{name.partition('.')[0]}.{space.needs}"
    if needed in searched or _value(settings, needed):
        return None
    return f"{needed} is {_value(settings, needed)} and not searched"


def _dimension(name: str, space: SearchSpace, raw: bool) -> Dimension:
    if isinstance(space, SearchChoices):
        return Dimension(name, space.choices)
    low, high = space.bounds(raw=raw)
    section, _, setting = name.partition(".")
    annotation = _fields(SECTIONS[section])[setting].annotation
    whole = annotation in (int, int | None)
    return Dimension(name, (), low, high, whole, space.log, space.most)


def _after_what_bounds_them(dimensions: Sequence[Dimension]) -> list[Dimension]:
    """The same dimensions, each after those that its `most` names."""
    by_name = {dimension.name: dimension for dimension in dimensions}
    ordered: dict[str, Dimension] = {}

    def add(dimension: Dimension) -> None:
        section = dimension.name.partition(".")[0]
        for word in (dimension.most or "").split():
            other = by_name.get(f"{section}.{word}")
            if other is not None and other.name not in ordered:
                add(other)
        ordered[dimension.name] = dimension

    for dimension in dimensions:
        if dimension.name not in ordered:
            add(dimension)
    return list(ordered.values())
