import pytest

from cnn_mellin.errors import SettingsError
from cnn_mellin.features.configuration import FEATURE_TYPES, as_content, feature_configuration, shipped_configuration

GABOR = {"name": "gabor", "scaling_function": "mel"}


@pytest.mark.parametrize("feature_type", [name for name in FEATURE_TYPES if name != "raw"])
def test_shipped_configurations_are_valid(feature_type):
    assert feature_configuration(shipped_configuration(feature_type)).include_energy


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"name": "si", "bank": {**GABOR, "erbs": True}}, "f: bank.erbs: unknown key; did you mean 'erb'"),
        ({"name": "si", "bank": GABOR, "frame_length_ms": 3}, "f: frame_length_ms: unknown key; did you mean"),
        ({"name": "si", "bank": {"name": "gabor"}}, "f: bank.scaling_function: is missing"),
        ({"name": "si", "bank": {"name": "gabors"}}, "f: bank.name = gabors: did you mean 'gabor'"),
        ({"name": "si", "bank": {**GABOR, "scaling_function": "mels"}}, "f: bank.scaling_function.name = mels"),
        ({"name": "si", "bank": {**GABOR, "scaling_function": "linear"}}, "bank.scaling_function.low_hz: is missing"),
        (
            {"name": "si", "bank": {**GABOR, "low_hz": 0, "scaling_function": {"name": "octave", "low_hz": 1}}},
            "must both be above 0 for octaves",
        ),
        ({"name": "si", "bank": GABOR, "frame_shift_ms": 0.01}, "frame_shift_ms = 0.01: is shorter than one sample"),
        ({"name": "si", "bank": GABOR, "frame_style": "left"}, "f: frame_style = left"),
        ({"name": "si", "bank": GABOR, "window_function": "hannning"}, "f: window_function.name = hannning"),
        ({"name": "si"}, "f: bank: is missing"),
        (
            {"name": "si", "bank": {**GABOR, "name": "gammatone", "num_filts": 9, "erb": True, "scale_l2_norm": True}},
            "f: bank: filter 8 nowhere reaches 0.0005; turn off",
        ),
        ({"bank": GABOR}, "f: name = None: choose from si, stft"),
    ],
)
def test_every_fault_is_one_line_that_names_the_setting(content, message):
    with pytest.raises(SettingsError, match=message) as caught:
        feature_configuration(content, "f")
    assert "\n" not in str(caught.value)


def test_an_object_may_be_given_by_alias_or_only_by_its_name():
    config = feature_configuration({"alias": "stft", "bank": "fbank", "window_function": {"alias": "hann"}})
    assert (config.name, config.bank.name) == ("stft", "fbank")
    assert config.window_function is not None
    assert config.window_function.name == "hanning"


@pytest.mark.parametrize(
    "content",
    [
        {"name": "stft", "bank": "fbank", "kaldi_shift": True},
        {"name": "si", "bank": {"name": "tonebank", "scaling_function": {"name": "octave", "low_hz": 5.0}}},
        {"name": "stft", "bank": {"name": "tri", "scaling_function": {"name": "uniform", "low_hz": 0.0}}},
        {"name": "si", "bank": GABOR, "window_function": {"name": "gamma", "peak": 0.5}},
    ],
)
def test_the_content_gives_the_same_configuration(content):
    config = feature_configuration(content)
    assert feature_configuration(as_content(config)) == config


@pytest.mark.parametrize("feature_type", [name for name in FEATURE_TYPES if name != "raw"])
def test_a_shipped_file_holds_every_key(feature_type):
    shipped = shipped_configuration(feature_type)
    content = as_content(feature_configuration(shipped))
    assert {**content, "bank": {**content["bank"], **shipped["bank"]}} == {**shipped, "bank": content["bank"]}
    assert set(content["bank"]) - set(shipped["bank"]) <= {"scale_l2_norm", "erb"}
