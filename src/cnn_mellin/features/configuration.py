"""Feature configurations: the users' JSON files, checked."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from cnn_mellin.errors import SettingsError
from cnn_mellin.nearest import nearest
from cnn_mellin.shipped_file import shipped_file

__all__ = ["FEATURE_TYPES", "FilterBankConfig", "StftConfig", "feature_configuration", "shipped_configuration"]

FEATURE_TYPES = ("fbank-81-10ms", "raw")
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


@dataclass(config=_STRICT)
class FilterBankConfig:
    """Triangular filters, equally spaced in mel.

    Args:
        name: fbank.
        num_filts: filters.
        low_hz, high_hz: where the first begins and the last ends.
        sampling_rate: samples a second.
        analytic: count positive frequencies only; else the bank is real and each counts twice.
    """

    name: Literal["fbank"]
    num_filts: int = Field(default=40, ge=1)
    low_hz: float = Field(default=20.0, ge=0)
    high_hz: float = Field(default=8000.0, gt=0)
    sampling_rate: float = Field(default=16000.0, gt=0)
    analytic: bool = False


@dataclass(config=_STRICT)
class StftConfig:
    """Short-time Fourier transform of windowed frames, weighted by a bank of filters.

    Args:
        name: stft.
        bank: the filters.
        frame_length_ms, frame_shift_ms: length of a frame, and from a frame to the next.
        frame_style: centered on multiples of the shift.
        include_energy: put the frame's root mean square before the filters.
        pad_to_nearest_power_of_two: length of the transform.
        window_function: hanning (symmetric).
        use_log: natural logarithm of each coefficient, floored at 1e-5.
        use_power: powers instead of magnitudes.
    """

    name: Literal["stft"]
    bank: FilterBankConfig
    frame_length_ms: float = Field(default=25.0, gt=0)
    frame_shift_ms: float = Field(default=10.0, gt=0)
    frame_style: Literal["centered"] = "centered"
    include_energy: bool = False
    pad_to_nearest_power_of_two: bool = True
    window_function: Literal["hanning"] = "hanning"
    use_log: bool = False
    use_power: bool = False


def feature_configuration(content: dict[str, Any], source: str = "features") -> StftConfig:
    """A configuration from the content of a JSON file.

    Raises:
        SettingsError: a key is not known (with the nearest that is), or a value breaks its rule.

    >>> feature_configuration({"name": "stft", "bank": {"name": "fbank"}}).bank.num_filts
    40
    """
    try:
        config = TypeAdapter(StftConfig).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "unexpected_keyword_argument":
            known = FilterBankConfig if len(first["loc"]) > 1 else StftConfig
            known_names = known.__dataclass_fields__
            raise SettingsError(
                f"{source}: {place}: unknown key; {nearest(str(first['loc'][-1]), known_names)}"
            ) from None
        raise SettingsError(f"{source}: {place} = {first['input']}: {first['msg']}") from None
    if config.bank.high_hz > config.bank.sampling_rate / 2 or config.bank.low_hz >= config.bank.high_hz:
        raise SettingsError(
            f"{source}: bank.low_hz = {config.bank.low_hz:g}, bank.high_hz = {config.bank.high_hz:g}: must rise and "
            f"end at or below half the sampling rate ({config.bank.sampling_rate / 2:g})"
        )
    return config


def shipped_configuration(feature_type: str) -> dict[str, Any]:
    """Content of the JSON file of a feature type that ships with the package; empty for `raw`, which needs none.

    Raises:
        SettingsError: there is no such type.

    >>> shipped_configuration("fbank-81-10ms")["frame_shift_ms"]
    10
    """
    if feature_type not in FEATURE_TYPES:
        raise SettingsError(f"features {feature_type}: unknown; {nearest(feature_type, FEATURE_TYPES)}")
    if feature_type == "raw":
        return {}
    return read_configuration(shipped_file(f"feats/{feature_type}.json"))


def read_configuration(path: str | Path) -> dict[str, Any]:
    """Content of a JSON file, checked to be an object."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise SettingsError(f"{path}: not JSON: {error}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: holds {type(content).__name__}, not an object of settings")
    return content


def as_content(config: StftConfig) -> dict[str, Any]:
    """The content of a JSON file that gives this configuration, every key present."""
    return asdict(config)
