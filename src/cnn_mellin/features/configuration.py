"""Feature configurations: JSON files, checked."""

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
    """Frequency scale: mel, bark, linear (zero at low_hz, slope slope_hz) or octave (zero at low_hz)."""

    name: Literal["mel", "bark", "linear", "uniform", "octave"]
    low_hz: float | None = None
    slope_hz: float = Field(default=1.0, gt=0)

    def build(self) -> Scale:
        """Make the scale."""
        return Scale("linear" if self.name == "uniform" else self.name, self.low_hz or 0.0, self.slope_hz)


@dataclass(config=_STRICT)
class WindowConfig:
    """Window: hanning, hamming, blackman, bartlett, or gamma with its order and peak (as a fraction of the length)."""

    name: Literal["hanning", "hamming", "blackman", "bartlett", "gamma"]
    order: int = Field(default=4, ge=1)
    peak: float = Field(default=0.75, gt=0, lt=1)

    def shape(self) -> dict[str, Any]:
        """Keyword arguments of `window`, other than its name."""
        return {"order": self.order, "peak": self.peak}


@dataclass(config=_STRICT)
class _BankConfig:
    num_filts: int = Field(default=40, ge=1)
    low_hz: float = Field(default=20.0, ge=0)
    high_hz: float | None = Field(default=None, gt=0)
    sampling_rate: float = Field(default=16000.0, gt=0)

    def layout(self) -> tuple[int, float, float, float]:
        """Number of filters, lowest and highest frequency (default: half the sample rate), sample rate."""
        high_hz = self.sampling_rate // 2 if self.high_hz is None else self.high_hz
        return self.num_filts, self.low_hz, high_hz, self.sampling_rate


@dataclass(config=_STRICT, kw_only=True)
class FilterBankConfig(_BankConfig):
    """Square roots of triangular filters, equally spaced in mel.

    Args:
        name: fbank.
        num_filts: number of filters.
        low_hz, high_hz: lower edge of the first filter and upper edge of the last one.
        sampling_rate: sample rate in Hz.
        analytic: use only positive frequencies; else the bank is real and each frequency counts twice.
    """

    name: Literal["fbank"]
    analytic: bool = False

    def build(self) -> Bank:
        """Make the filters."""
        return TriangularBank(Scale("mel"), *self.layout(), analytic=self.analytic, root=True)


@dataclass(config=_STRICT, kw_only=True)
class TriangularBankConfig(_BankConfig):
    """Triangular filters, equally spaced on a scale; other settings as in `FilterBankConfig`."""

    name: Literal["tri", "triangular"]
    scaling_function: ScaleConfig
    analytic: bool = False

    def build(self) -> Bank:
        """Make the filters."""
        return TriangularBank(self.scaling_function.build(), *self.layout(), analytic=self.analytic)


@dataclass(config=_STRICT, kw_only=True)
class GaborBankConfig(_BankConfig):
    """Gabor filters; scale_l2_norm gives each filter a norm of 1, erb uses equivalent rectangular bandwidths."""

    name: Literal["gabor"]
    scaling_function: ScaleConfig
    scale_l2_norm: bool = False
    erb: bool = False

    def build(self) -> Bank:
        """Make the filters."""
        return GaborBank(self.scaling_function.build(), *self.layout(), scale_l2_norm=self.scale_l2_norm, erb=self.erb)


@dataclass(config=_STRICT, kw_only=True)
class GammatoneBankConfig(_BankConfig):
    """Gammatone filters; max_centered puts the peaks, not the onsets, of impulse responses at sample 0."""

    name: Literal["gammatone", "tonebank"]
    scaling_function: ScaleConfig
    order: int = Field(default=4, ge=1)
    max_centered: bool = False
    scale_l2_norm: bool = False
    erb: bool = False

    def build(self) -> Bank:
        """Make the filters."""
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
        """True for centered frames; by default, frames are centered if the filters have zero phase."""
        return self.frame_style == "centered" if self.frame_style else bank.is_zero_phase

    def window(self, bank: Bank) -> WindowConfig:
        """Window function; by default, hanning for centered frames and gamma for causal ones."""
        return self.window_function or WindowConfig("hanning" if self.centered(bank) else "gamma")


@dataclass(config=_STRICT, kw_only=True)
class StftConfig(_FrameConfig):
    """Short-time Fourier transform of windowed frames, weighted by a bank of filters.

    Args:
        name: stft.
        bank: filters.
        frame_length_ms: length of a frame; by default, that of the longest filter.
        frame_shift_ms: time between the starts of adjacent frames.
        frame_style: centered (frames centered on multiples of the shift) or causal (frames start there).
        include_energy: insert the root mean square of the frame before the filters.
        pad_to_nearest_power_of_two: pad the transform to a power of two.
        window_function: window of a frame, such as hanning.
        use_log: take the natural logarithm of each coefficient, floored at 1e-5.
        use_power: use powers instead of magnitudes.
        kaldi_shift: shift centered frames by half a frame shift, as Kaldi does.
    """

    name: Literal["stft"]
    frame_length_ms: float | None = Field(default=None, gt=0)
    kaldi_shift: bool = False


@dataclass(config=_STRICT, kw_only=True)
class SiConfig(_FrameConfig):
    """Short integration of the magnitudes of filtered signals; settings as in `StftConfig`."""

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
# Other names that configuration files use.
_SYNONYMS = {"hann": "hanning", "black": "blackman", "triangular": "bartlett", "tri": "bartlett"}


def feature_configuration(content: dict[str, Any], source: str = "features") -> StftConfig | SiConfig:
    """Make a configuration from the content of a JSON file.

    Args:
        content: content of the file.
        source: name of the file, for messages.

    Raises:
        SettingsError: a key is unknown (the message suggests a similar one), or a value is not valid.

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
            raise SettingsError(f"{source}: {name} = {milliseconds:g}: is shorter than one sample; increase it")
    return config


def _named(value: Any) -> dict[str, Any]:
    """Normalise an object of settings, which may also be only a name; the key `alias` is renamed `name`."""
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
            raise SettingsError(f"{source}: {key}: is missing; add it") from None
        raise SettingsError(f"{source}: {key} = {first['input']}: {first['msg']}") from None


def _check_bank(bank: BankConfig, source: str) -> None:
    """Check the rules that relate several settings of a bank."""
    _, low_hz, high_hz, rate = bank.layout()
    if high_hz > rate / 2 or low_hz >= high_hz:
        raise SettingsError(
            f"{source}: bank.low_hz = {low_hz:g}, bank.high_hz = {high_hz:g}: must rise and "
            f"not exceed half the sample rate ({rate / 2:g})"
        )
    if isinstance(bank, FilterBankConfig):
        return
    scale = bank.scaling_function
    place = f"{source}: bank.scaling_function"
    if scale.name in ("linear", "uniform", "octave") and scale.low_hz is None:
        raise SettingsError(f"{place}.low_hz: is missing; add the frequency at which {scale.name} is zero")
    if scale.name == "octave" and min(scale.low_hz or 0.0, low_hz) <= 0:
        raise SettingsError(
            f"{place}.low_hz = {scale.low_hz:g}, bank.low_hz = {low_hz:g}: must both be above 0 for octaves"
        )
    try:
        bank.build()
    except ValueError as error:
        raise SettingsError(f"{source}: bank: {error}") from None


def shipped_configuration(feature_type: str) -> dict[str, Any]:
    """Read the configuration of a feature type that ships with the package; empty for `raw`, which needs none.

    Raises:
        SettingsError: the type is unknown.

    >>> shipped_configuration("fbank-81-10ms")["frame_shift_ms"]
    10
    """
    if feature_type not in FEATURE_TYPES:
        raise SettingsError(f"features {feature_type}: unknown; {nearest(feature_type, FEATURE_TYPES)}")
    if feature_type == "raw":
        return {}
    return read_configuration(shipped_file(f"feats/{feature_type}.json"))


def read_configuration(path: str | Path) -> dict[str, Any]:
    """Read the JSON object in a file, or in a shipped file such as `fbank-81-10ms`."""
    return read_json(file_or_shipped(path, FEATURES), SettingsError)


def as_content(config: StftConfig | SiConfig) -> dict[str, Any]:
    """Make the content of a JSON file that gives this configuration.

    All keys are present, except those that the chosen scale and window do not use, and kaldi_shift if it is off, so
    that data prepared before this key existed stays valid.

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
    """First keys of an object, or only its name if that is the only key."""
    return settings["name"] if num_keys == 1 else dict(list(settings.items())[:num_keys])
