import pytest

from cnn_mellin.config.search_range import SearchChoices, SearchRange
from cnn_mellin.config.settings import SECTIONS

NEVER = {
    "model": {"seed"},
    "training": {
        "max_gradient_norm",
        "reduce_lr_log10_epsilon",
        "autocast",
        "keep_last_and_best_only",
        "tracker",
        "saved_model_fmt",
        "saved_optimizer_fmt",
        "seed",
    },
    "data": {"drop_last", "bucket_by_length", "audio_features", "scale_features", "sos", "eos", "subset_ids"},
}


def spaces(section: str) -> dict[str, SearchRange | SearchChoices]:
    fields = SECTIONS[section].__pydantic_fields__  # type: ignore[attr-defined]
    return {
        name: entry
        for name, field in fields.items()
        for entry in field.metadata
        if isinstance(entry, (SearchRange, SearchChoices))
    }


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_has_a_search_range_or_is_never_searched(section):
    names = set(SECTIONS[section].__pydantic_fields__)  # type: ignore[attr-defined]
    assert names - set(spaces(section)) == NEVER[section]


@pytest.mark.parametrize("section", SECTIONS)
def test_search_ranges_lie_within_bounds_and_need_known_settings(section):
    kind = SECTIONS[section]
    for name, space in spaces(section).items():
        values = space.choices if isinstance(space, SearchChoices) else space.bounds() + space.bounds(raw=True)
        for value in values:
            kind(**{name: value})
        assert space.needs is None or space.needs in kind.__pydantic_fields__  # type: ignore[attr-defined]


def test_search_ranges_that_count_frames_are_scaled_for_raw_audio():
    assert spaces("model")["window_size"] == SearchRange(2, 10, raw_factor=100)
    assert spaces("training")["num_time_mask"] == SearchRange(0, 40, raw_factor=100)
    assert not spaces("model")["convolutional_kernel_freq"].on_raw
    assert not spaces("training")["max_freq_warp"].on_raw
