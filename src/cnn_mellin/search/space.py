"""The search space of a study: its hyperparameters, their ranges, and the settings that sampled values make."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cnn_mellin.config.search_range import SearchChoices, SearchRange, SearchSpace
from cnn_mellin.config.settings import SECTIONS, Settings
from cnn_mellin.errors import SettingsError
from cnn_mellin.nearest import nearest
from cnn_mellin.search.live_kernels import SAMPLED_SETTINGS, KernelRule, best_case, can_live, kernel_range, live_range

if TYPE_CHECKING:
    import optuna

__all__ = ["Dimension", "choose_dimensions", "nearest_values", "range_of", "sample_values", "settings_with"]

_logger = logging.getLogger(__name__)
_MELLIN, _PADDING = "model.convolutional_mellin", "model.convolutional_time_padding"
_SAMPLED = [f"model.{name}" for name in SAMPLED_SETTINGS]
_NUM_COEFFICIENTS = 2  # any number above 1, which is raw audio; layers along time are those of raw audio, too
_KEPT = {
    "any": "",
    "live": ", as far as no Mellin kernel row is dead",
    "three ratios": ", as far as no Mellin kernel row is dead and layers compare three ratios",
}


@dataclass(frozen=True)
class Dimension:
    """One hyperparameter of a study.

    Args:
        name: `section.setting`.
        choices: values to choose among; empty for a range.
        low, high: ends of the range, both included.
        whole: values are whole numbers.
        log: values are sampled uniformly in the logarithm.
        most: upper bound that depends on other settings, as in `SearchRange`.
        live: the range is `live_range`; only studies created by earlier versions have it.
        kernels: rule that the models of the range keep (`kernel_range`). Studies created before this existed do not
            have it; neither it nor `live` is a difference between plans.
    """

    name: str
    choices: tuple[bool | str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False
    most: str | None = None
    live: bool = field(default=False, compare=False)
    kernels: KernelRule = field(default="any", compare=False)

    def __str__(self) -> str:
        """Name and values as a user reads them.

        >>> str(Dimension("model.window_size", (), 2, 10, whole=True))
        'model.window_size: from 2 to 10'
        """
        if self.choices:
            return f"{self.name}: {', '.join(map(str, self.choices))}"
        most = "" if self.most is None else f", at most {self.most}"
        rule = "live" if self.live else self.kernels
        return f"{self.name}: from {self.low:g} to {self.high:g}{' (log)' if self.log else ''}{most}{_KEPT[rule]}"

    def as_dict(self) -> dict[str, Any]:
        """Values for JSON."""
        return asdict(self) | {"choices": list(self.choices)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Dimension:
        """The dimension whose `as_dict` is given."""
        return cls(**{**content, "choices": tuple(content["choices"])})

    def high_of(self, settings: Settings) -> float:
        """The upper end, given the settings on which `most` depends."""
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
        """Optuna's distribution, by default of the whole range."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # an extra

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
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> list[Dimension]:
    """The hyperparameters of a study, in the order in which they are sampled.

    A warning is logged for each setting that is left out because it cannot matter.

    Args:
        settings: settings at which the search starts; settings that are not searched keep their values.
        raw: features are raw audio.
        whitelist, blacklist: regular expressions that match whole `section.setting` names; at most one of the lists.
        ranges: `section.setting` -> lowest and highest value, instead of those beside the setting.

    Raises:
        SettingsError: an expression is not valid or matches no setting, no setting is left, or a range is not one of a
            setting that is searched.

    >>> [d.name for d in choose_dimensions(Settings(), whitelist=["model.window_.*"])]
    ['model.window_size', 'model.window_stride']
    """
    spaces = _all_spaces()
    everything = [f"{section}.{name}" for section, kind in SECTIONS.items() for name in _fields(kind)]
    option = "blacklist" if blacklist else "whitelist"
    matches = _matching(whitelist or blacklist or [], everything, option)
    if whitelist:
        _warn_of_never_searched(whitelist, matches, spaces)
        chosen = [name for name in spaces if name in matches]
    else:
        chosen = [name for name in spaces if name not in matches]
    asked = {pattern.replace("\\", "") for pattern in whitelist or []}
    kept: list[str] = []
    for name in chosen:
        space = spaces[name]
        if space.by_name_only and name not in asked:
            value = _value(settings, name)
            _logger.warning("%s: stays %s; it is searched only if the whitelist has its whole name", name, value)
            continue
        kept.append(name)
    while True:  # a setting that needs one that was just left out may now be useless itself
        reasons = {name: _why_useless(name, spaces[name], settings, set(kept), raw) for name in kept}
        if not any(reasons.values()):
            break
        for name, reason in reasons.items():
            if reason:
                _logger.warning("%s: leaves the search, as %s", name, reason)
        kept = [name for name in kept if not reasons[name]]
    dimensions = [_dimension(name, spaces[name], raw) for name in kept]
    if not dimensions:
        given = " ".join(whitelist or blacklist or [])
        raise SettingsError(f"{option} {given}: leaves no setting to search; searchable are {', '.join(spaces)}")
    for name, ends in (ranges or {}).items():
        place = next((i for i, one in enumerate(dimensions) if one.name == name), None)
        if place is None:
            remedy = "name it in the whitelist" if name in everything else nearest(name, everything)
            raise SettingsError(f"ranges {name}: is not searched; {remedy}")
        dimensions[place] = _with_range(dimensions[place], *ends, settings)
    rule = _kernel_rule(settings, dimensions)
    dimensions = [replace(one, kernels=rule) if one.name in _SAMPLED else one for one in dimensions]
    return _after_what_bounds_them(dimensions)


def _kernel_rule(settings: Settings, dimensions: Sequence[Dimension]) -> KernelRule:
    """The strictest rule that some model of each searched kind keeps.

    Raises:
        SettingsError: in every model of a kind, kernel rows are dead or a kernel does not fit.
    """
    ranges = {_setting(one.name): (int(one.low), int(one.high)) for one in dimensions if one.name in _SAMPLED}
    if not ranges:
        return "any"
    kinds = [settings]
    for name in (_MELLIN, _PADDING):
        if any(one.name == name for one in dimensions):
            kinds = [settings_with(kind, {name: value}) for kind in kinds for value in (False, True)]
    models = [kind.model for kind in kinds]
    models = [model for model in models if model.convolutional_mellin or not model.convolutional_time_padding]
    if not models:
        return "any"
    if all(can_live("three ratios", model, ranges) for model in models):
        return "three ratios"
    for model in models:
        if not can_live("live", model, ranges):
            from cnn_mellin.models.layer_summary import summarize_layers  # imports torch, as above

            fault = summarize_layers(_NUM_COEFFICIENTS, best_case(model, ranges)).fault
            raise SettingsError(
                f"search of {', '.join(f'model.{name}' for name in ranges)}: no model in these ranges has kernels that "
                f"live; even at the most favourable ends, {fault}; or search these settings, too"
            )
    return "live"


def sample_values(trial: optuna.Trial, dimensions: Sequence[Dimension], settings: Settings) -> dict[str, Any]:
    """Name -> value of each hyperparameter; values that the trial already has stay the same.

    Args:
        trial: Optuna's trial.
        dimensions: hyperparameters, each after those that bound it.
        settings: settings at which the search starts.
    """
    values: dict[str, Any] = {}
    for dimension in dimensions:
        name, choices = dimension.name, dimension.choices
        if choices:
            values[name] = trial.suggest_categorical(name, choices)
            continue
        low, high = range_of(dimension, dimensions, settings, values)
        if dimension.whole:
            values[name] = trial.suggest_int(name, int(low), int(high), log=dimension.log)
        else:
            values[name] = trial.suggest_float(name, low, high, log=dimension.log)
    return values


def settings_with(settings: Settings, values: Mapping[str, Any], source: str = "trial") -> Settings:
    """The settings in which values of hyperparameters replace others.

    >>> settings_with(Settings(), {"model.window_size": 7}).model.window_size
    7
    """
    sections: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, _, setting = name.partition(".")
        sections.setdefault(section, {})[setting] = value
    return settings.updated(sections, source)


def nearest_values(settings: Settings, dimensions: Sequence[Dimension]) -> dict[str, Any]:
    """The values of hyperparameters nearest to some settings: values outside a range are moved to its end.

    A hyperparameter whose setting is unset is left out, and so are those after it whose ranges depend on it.
    """
    values: dict[str, Any] = {}
    left_out = False
    for dimension in dimensions:
        value = _value(settings, dimension.name)
        dependent = dimension.kernels != "any"
        if value is None or (dependent and left_out):
            left_out |= dependent
            continue
        if not dimension.choices:
            low, high = range_of(dimension, dimensions, settings, values)
            value = min(max(value, low), high)
            value = int(value) if dimension.whole else float(value)
        values[dimension.name] = value
    return values


def range_of(
    dimension: Dimension, dimensions: Sequence[Dimension], settings: Settings, values: Mapping[str, Any]
) -> tuple[float, float]:
    """Lower and upper end of a hyperparameter, given the values of those before it.

    Args:
        dimension: one of `dimensions`, with a range.
        dimensions: hyperparameters in the order of sampling.
        settings: settings at which the search starts.
        values: name -> value of the hyperparameters before this one.
    """
    depends = dimension.live or dimension.kernels != "any"
    if dimension.most is None and not depends:
        return dimension.low, dimension.high
    now = settings_with(settings, values)
    high = dimension.high_of(now)
    if not depends:
        return dimension.low, high
    after = dimensions[list(dimensions).index(dimension) + 1 :]
    same = [other for other in after if (other.live, other.kernels) == (dimension.live, dimension.kernels)]
    later = {_setting(other.name): (int(other.low), int(other.high)) for other in same}
    name, low, high = _setting(dimension.name), int(dimension.low), int(high)
    if dimension.live:
        return live_range(name, low, high, now.model, later)
    return kernel_range(dimension.kernels, name, low, high, now.model, later)


def _setting(name: str) -> str:
    return name.partition(".")[2]


def _fields(kind: type) -> dict[str, Any]:
    fields: dict[str, Any] = kind.__pydantic_fields__  # type: ignore[attr-defined]
    return fields


def _all_spaces() -> dict[str, SearchSpace]:
    """`section.setting` -> range or choices of all settings that can be searched."""
    return {
        f"{section}.{name}": entry
        for section, kind in SECTIONS.items()
        for name, about in _fields(kind).items()
        for entry in about.metadata
        if isinstance(entry, SearchRange | SearchChoices)
    }


def _value(settings: Settings, name: str) -> Any:
    section, _, setting = name.partition(".")
    return getattr(getattr(settings, section), setting)


def _matching(patterns: Sequence[str], names: Sequence[str], option: str) -> dict[str, str]:
    """Name -> the first pattern that matches it."""
    matches: dict[str, str] = {}
    for pattern in patterns:
        try:
            found = [name for name in names if re.fullmatch(pattern, name)]
        except re.error as error:
            raise SettingsError(f"{option} {pattern!r}: is not a regular expression ({error})") from None
        if not found:
            raise SettingsError(
                f"{option} {pattern!r}: matches no setting (give a whole name such as 'model.window_size', or a "
                f"regular expression such as 'training\\..*'); {nearest(pattern.replace(chr(92), ''), names)}"
            )
        for name in found:
            matches.setdefault(name, pattern)
    return matches


def _warn_of_never_searched(
    patterns: Sequence[str], matches: Mapping[str, str], spaces: Mapping[str, SearchSpace]
) -> None:
    for pattern in patterns:
        names = [name for name, matching in matches.items() if matching == pattern]
        if names and not any(name in spaces for name in names):
            _logger.warning("%r matches only settings that are never searched (%s)", pattern, ", ".join(names))


def _why_useless(name: str, space: SearchSpace, settings: Settings, searched: set[str], raw: bool) -> str | None:
    """Why a setting cannot matter in any trial, or None."""
    if raw and not space.on_raw:
        return "features are raw audio (one coefficient per frame)"
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


def _with_range(dimension: Dimension, low: float, high: float, settings: Settings) -> Dimension:
    """The same dimension with other ends."""
    name, shown = dimension.name, f"ranges {dimension.name} {low:g} {high:g}"
    if dimension.choices:
        raise SettingsError(f"{shown}: the setting has choices, not a range: {', '.join(map(str, dimension.choices))}")
    if not low <= high:
        raise SettingsError(f"{shown}: the lowest value must not be above the highest")
    if dimension.whole and not (float(low).is_integer() and float(high).is_integer()):
        raise SettingsError(f"{shown}: the setting takes whole numbers")
    if dimension.log and low <= 0:
        raise SettingsError(f"{shown}: is sampled in the logarithm; both ends must be above 0")
    for end in (low, high):
        settings_with(settings, {name: int(end) if dimension.whole else end}, shown)
    return replace(dimension, low=low, high=high)


def _after_what_bounds_them(dimensions: Sequence[Dimension]) -> list[Dimension]:
    """The same dimensions, each after those on which its range depends."""
    by_name = {dimension.name: dimension for dimension in dimensions}
    ordered: dict[str, Dimension] = {}

    def add(dimension: Dimension) -> None:
        section = dimension.name.partition(".")[0]
        bounding = [f"{section}.{word}" for word in (dimension.most or "").split()]
        if dimension.kernels != "any":
            bounding += [_MELLIN, _PADDING, *_SAMPLED[: _SAMPLED.index(dimension.name)]]
        for name in bounding:
            other = by_name.get(name)
            if other is not None and other.name not in ordered:
                add(other)
        ordered[dimension.name] = dimension

    for dimension in dimensions:
        if dimension.name not in ordered:
            add(dimension)
    return list(ordered.values())
