import pytest

from cnn_mellin.config import DecoderSetting


def test_a_grid_holds_every_combination_once():
    grid = DecoderSetting.grid([4, 8], [0, 0.4, 0.4], [0, 1], [0.0, -0.0, -0.5])
    assert len(grid) == len({setting.name for setting in grid}) == 2 * 2 * 2 * 2
    assert DecoderSetting(8, 0.4, 1, -0.5) in grid
    assert DecoderSetting.grid() == [DecoderSetting()]
    assert [setting.name for setting in DecoderSetting.grid(blank_biases=[0, 1.5])] == ["greedy", "greedy-blank+1.5"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"insertion_bonus": 1},
            "insertion_bonus is 1, but a greedy search has no scores to add it to; give a beam_wid",
        ),
        ({"beam_width": 4, "insertion_bonus": float("nan")}, "insertion_bonus is nan; it must be finite"),
        ({"blank_bias": float("inf")}, "blank_bias is inf; it must be finite"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DecoderSetting(**options)
