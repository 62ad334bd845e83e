"""Feature configurations: the users' JSON files, checked."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from cnn_mellin.errors import SettingsError
from cnn_mellin.features.bank import Bank
from cnn_mellin.features.gabor_bank import GaborBank
from cnn_mellin.features.gammatone_bank import GammatoneBank
from cnn_mellin.features.scale import Scale
from cnn_mellin.features.triangular_bank import TriangularBank
from cnn_mellin.formats.text_file import read_json
from cnn_mellin.nearest import nearest
from cnn_mellin.shipped_file import FEATURES, file_or_shipped, shipped_file

__all__ = [
    "FEATURE_TYPES",
    "FilterBankConfig",
    "GaborBankConfig",
    "GammatoneBankConfig",
    "ScaleConfig",
    "SiConfig",
    "StftConfig",
    "TriangularBankConfig",
    "WindowConfig",
    "feature_configuration",
    "shipped_configuration",
]

FEATURE_TYPES = ("fbank-81-10ms", "sigbank-41-2ms", "raw")
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


@dataclass(config=_STRICT)
class ScaleConfig:
    """A scale of frequency: mel, bark, linear (from low_hz, slope_hz a Hz) or octave (from low_hz)."""

    name: Literal["mel", "bark", "linear", "uniform", "octave"]
    low_hz: float | None = None
    slope_hz: float = Field(default=1.0, gt=0)

    def build(self) -> Scale:
        """The scale itself."""
        return Scale("linear" if self.name == "uniform" else self.name, self.low_hz or 0.0, self.slope_hz)


@dataclass(config=_STRICT)
class WindowConfig:
    """A window: hanning, hamming, blackman, bartlett, or gamma with its order and peak (share of the length)."""

    name: Literal["hanning", "hamming", "blackman", "bartlett", "gamma"]
    order: int = Field(default=4, ge=1)
    peak: float = Field(default=0.75, gt=0, lt=1)

    def shape(self) -> dict[str, Any]:
        """Arguments of the window beside its name."""
        return {"order": self.order, "peak": self.peak}


@dataclass(config=_STRICT)
class _BankConfig:
    num_filts: int = Field(default=40, ge=1)
    low_hz: float = Field(default=20.0, ge=0)
    high_hz: float | None = Field(default=None, gt=0)
    sampling_rate: float = Field(default=16000.0, gt=0)

    def layout(self) -> tuple[int, float, float, float]:
        """Filters, lowest and highest frequency (half the sampling rate where it is unset), sampling rate."""
        high_hz = self.sampling_rate // 2 if self.high_hz is None else self.high_hz
        return self.num_filts, self.low_hz, high_hz, self.sampling_rate


@dataclass(config=_STRICT, kw_only=True)
class FilterBankConfig(_BankConfig):
    """Square roots of triangular filters, equally spaced in mel.

    Args:
        name: fbank.
        num_filts: filters.
        low_hz, high_hz: where the first begins and the last ends.
        sampling_rate: samples a second.
        analytic: count positive frequencies only; else the bank is real and each counts twice.
    """

    name: Literal["fbank"]
    analytic: bool = False

    def build(self) -> Bank:
        """The filters themselves."""
        return TriangularBank(Scale("mel"), *self.layout(), analytic=self.analytic, root=True)


@dataclass(config=_STRICT, kw_only=True)
class TriangularBankConfig(_BankConfig):
    """Triangular filters, equally spaced on a scale; as `FilterBankConfig` otherwise."""

    name: Literal["tri", "triangular"]
    scaling_function: ScaleConfig
    analytic: bool = False

    def build(self) -> Bank:
        """The filters themselves."""
        return TriangularBank(self.scaling_function.build(), *self.layout(), analytic=self.analytic)


@dataclass(config=_STRICT, kw_only=True)
class GaborBankConfig(_BankConfig):
    """Gabor filters; scale_l2_norm gives each a norm of 1, erb equivalent rectangular bandwidths."""

    name: Literal["gabor"]
    scaling_function: ScaleConfig
    scale_l2_norm: bool = False
    erb: bool = False

    def build(self) -> Bank:
        """The filters themselves."""
        return GaborBank(self.scaling_function.build(), *self.layout(), scale_l2_norm=self.scale_l2_norm, erb=self.erb)


@dataclass(config=_STRICT, kw_only=True)
class GammatoneBankConfig(_BankConfig):
    """Gammatone filters of an order; max_centered puts their peaks, not their onsets, at sample 0."""

    name: Literal["gammatone", "tonebank"]
    scaling_function: ScaleConfig
    order: int = Field(default=4, ge=1)
    max_centered: bool = False
    scale_l2_norm: bool = False
    erb: bool = False

    def build(self) -> Bank:
        """The filters themselves."""
        return GammatoneBank(
            self.scaling_function.build(),
            *self.layout(),
            order=self.order,
            max_centered=self.max_centered,
            scale_l2_norm=self.scale_l2_norm,
            erb=self.erb,
        )


BankConfig = FilterBankConfig | TriangularBankConfig | GaborBankConfig | GammatoneBankConfig


@dataclass(config=_STRICT, kw_only=True)
class _FrameConfig:
    bank: BankConfig
    frame_shift_ms: float = Field(default=10.0, gt=0)
    frame_style: Literal["centered", "causal"] | None = None
    include_energy: bool = False
    pad_to_nearest_power_of_two: bool = True
    window_function: WindowConfig | None = None
    use_log: bool = True
    use_power: bool = False

    def centered(self, bank: Bank) -> bool:
        """Whether frames are centered; where the style is unset, they are if the filters have zero phase."""
        return self.frame_style == "centered" if self.frame_style else bank.is_zero_phase

    def window(self, bank: Bank) -> WindowConfig:
        """The window; where it is unset, hanning for centered frames and gamma for causal ones."""
        return self.window_function or WindowConfig("hanning" if self.centered(bank) else "gamma")


@dataclass(config=_STRICT, kw_only=True)
class StftConfig(_FrameConfig):
    """Short-time Fourier transform of windowed frames, weighted by a bank of filters.

    Args:
        name: stft.
        bank: the filters.
        frame_length_ms: length of a frame; unset, that of the longest filter.
        frame_shift_ms: from a frame to the next.
        frame_style: centered on multiples of the shift, or causal: starting there.
        include_energy: put the frame's root mean square before the filters.
        pad_to_nearest_power_of_two: length of the transform.
        window_function: hanning, for one.
        use_log: natural logarithm of each coefficient, floored at 1e-5.
        use_power: powers instead of magnitudes.
        kaldi_shift: centered frames end half a shift later.
    """

    name: Literal["stft"]
    frame_length_ms: float | None = Field(default=None, gt=0)
    kaldi_shift: bool = False


@dataclass(config=_STRICT, kw_only=True)
class SiConfig(_FrameConfig):
    """Short integration of filtered signals' magnitudes; settings as those of `StftConfig`."""

    name: Literal["si"]


_COMPUTERS: dict[str, Any] = {"stft": StftConfig, "si": SiConfig}
_BANKS: dict[str, Any] = {
    "fbank": FilterBankConfig,
    "tri": TriangularBankConfig,
    "triangular": TriangularBankConfig,
    "gabor": GaborBankConfig,
    "gammatone": GammatoneBankConfig,
    "tonebank": GammatoneBankConfig,
}
# Other names under which users' files know the same.
_SYNONYMS = {"hann": "hanning", "black": "blackman", "triangular": "bartlett", "tri": "bartlett"}


def feature_configuration(content: dict[str, Any], source: str = "features") -> StftConfig | SiConfig:
    """A configuration from the content of a JSON file.

    Raises:
        SettingsError: a key is not known (with the nearest that is), or a value breaks its rule.

    >>> feature_configuration({"name": "stft", "bank": {"name": "fbank"}}).bank.num_filts
    40
    """
    content = _named(content)
    if isinstance(bank := content.get("bank"), dict):
        bank = _named(bank)
        if "scaling_function" in bank:
            bank["scaling_function"] = _checked(ScaleConfig, bank["scaling_function"], source, "bank.scaling_function.")
        content["bank"] = bank = _checked(_chosen(_BANKS, bank, source, "bank."), bank, source, "bank.")
        _check_bank(bank, source)
    elif isinstance(bank, str):
        content["bank"] = _checked(_chosen(_BANKS, {"name": bank}, source, "bank."), {"name": bank}, source, "bank.")
    if content.get("window_function") is not None:
        function = _named(content["window_function"])
        function["name"] = _SYNONYMS.get(str(function.get("name")), function.get("name"))
        content["window_function"] = _checked(WindowConfig, function, source, "window_function.")
    config: StftConfig | SiConfig = _checked(_chosen(_COMPUTERS, content, source, ""), content, source, "")
    for name in ("frame_shift_ms", "frame_length_ms"):
        milliseconds = getattr(config, name, None)
        if milliseconds is not None and int(0.001 * milliseconds * config.bank.sampling_rate) < 1:
            raise SettingsError(f"{source}: {name} = {milliseconds:g}: is shorter than one sample; lengthen it")
    return config


def _named(value: Any) -> dict[str, Any]:
    """An object of settings from itself, or from a name alone; its name may be called alias."""
    if not isinstance(value, dict):
        return {"name": value}
    renamed = "alias" in value and "name" not in value
    return {("name" if renamed and key == "alias" else key): item for key, item in value.items()}


def _chosen(classes: dict[str, Any], content: dict[str, Any], source: str, place: str) -> Any:
    name = content.get("name")
    if not isinstance(name, str) or name not in classes:
        raise SettingsError(f"{source}: {place}name = {name}: {nearest(str(name), classes)}")
    return classes[name]


def _checked(config_class: Any, content: Any, source: str, place: str) -> Any:
    try:
        return TypeAdapter(config_class).validate_python(_named(content))
    except ValidationError as error:
        first = error.errors()[0]
        key = place + ".".join(str(part) for part in first["loc"])
        if first["type"] == "unexpected_keyword_argument":
            known = config_class.__dataclass_fields__
            raise SettingsError(f"{source}: {key}: unknown key; {nearest(str(first['loc'][-1]), known)}") from None
        if first["type"] == "missing":
            raise SettingsError(f"{source}: {key}: is missing; give it") from None
        raise SettingsError(f"{source}: {key} = {first['input']}: {first['msg']}") from None


def _check_bank(bank: BankConfig, source: str) -> None:
    """What a bank's settings must keep together."""
    _, low_hz, high_hz, rate = bank.layout()
    if high_hz > rate / 2 or low_hz >= high_hz:
        raise SettingsError(
            f"{source}: bank.low_hz = {low_hz:g}, bank.high_hz = {high_hz:g}: must rise and "
            f"end at or below half the sampling rate ({rate / 2:g})"
        )
    if isinstance(bank, FilterBankConfig):
        return
    scale = bank.scaling_function
    place = f"{source}: bank.scaling_function"
    if scale.name in ("linear", "uniform", "octave") and scale.low_hz is None:
        raise SettingsError(f"{place}.low_hz: is missing; {scale.name} needs the frequency of its zero")
    if scale.name == "octave" and min(scale.low_hz or 0.0, low_hz) <= 0:
        raise SettingsError(f"{place}.low_hz = {scale.low_hz:g}, bank.low_hz = {low_hz:g}: octaves need both above 0")
    try:
        bank.build()
    except ValueError as error:
        raise SettingsError(f"{source}: bank: {error}") from None


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
    """Content of a JSON file, or of a shipped one such as `fbank-81-10ms`, checked to be an object."""
    return read_json(file_or_shipped(path, FEATURES), SettingsError)


def as_content(config: StftConfig | SiConfig) -> dict[str, Any]:
    """The content of a JSON file that gives this configuration.

    Every key is present but those that the chosen scale and window do not read, and kaldi_shift where it is off: data
    prepared before there was that key then stays valid.

    >>> config = feature_configuration({"name": "si", "bank": {"name": "gabor", "scaling_function": "mel"}})
    >>> feature_configuration(as_content(config)) == config
    True
    """
    content = {"name": config.name, **asdict(config)}
    bank = content["bank"] = {"name": config.bank.name, **content["bank"]}
    if "scaling_function" in bank:
        keys = {"linear": 3, "uniform": 3, "octave": 2}.get(bank["scaling_function"]["name"], 1)
        bank["scaling_function"] = _shortest(bank["scaling_function"], keys)
    if config.window_function is not None:
        keys = 3 if config.window_function.name == "gamma" else 1
        content["window_function"] = _shortest(content["window_function"], keys)
    if not content.get("kaldi_shift"):
        content.pop("kaldi_shift", None)
    return content


def _shortest(settings: dict[str, Any], num_keys: int) -> Any:
    """The first keys of an object, or its name where that is the only one."""
    return settings["name"] if num_keys == 1 else dict(list(settings.items())[:num_keys])
