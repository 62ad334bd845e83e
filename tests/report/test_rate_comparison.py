import numpy as np
import pytest

from cnn_mellin.report.figures.results import draw_rates
from cnn_mellin.report.rate_comparison import rate_differences, rate_interval
from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors

SPEAKERS = tuple(f"s{i:02}" for i in range(12))
PHONES = np.full(12, 100)


def errors(*seeds: int, speakers: int = 12) -> SpeakerErrors:
    """The same number of errors for each speaker, per seed."""
    table = np.array([[count] * speakers for count in seeds])
    return SpeakerErrors(SPEAKERS[:speakers], PHONES[:speakers], table)


LINEAR = {0.8: errors(30, 31, 30, 31, 30), 1.0: errors(10, 11, 10, 11, 10)}
MELLIN = {0.8: errors(20, 21, 20, 21, 20), 1.0: errors(10, 11, 10, 11, 10)}


def test_a_smaller_rise_is_found_and_is_significant():
    found = rate_differences({"l": LINEAR, "m": MELLIN}, [("l", "m")], replications=200)
    slow, recorded = found
    assert (slow.first, slow.second, slow.rate) == ("l", "m", 0.8)
    assert slow.difference.difference == pytest.approx(-10)
    assert slow.rise is not None
    assert slow.rise.difference == pytest.approx(-10)
    # five trainings of each system: 2 of 252 assignments; Holm's correction for two rates doubles the difference's
    assert slow.rise_p_value == pytest.approx(2 / 252)
    assert slow.p_value == pytest.approx(4 / 252)
    assert recorded.rise is None
    assert recorded.rise_p_value is None
    assert recorded.difference.difference == 0
    assert recorded.p_value == 1


def test_a_constant_lead_is_no_smaller_rise():
    ahead = {rate: SpeakerErrors(SPEAKERS, PHONES, of.errors - 5) for rate, of in LINEAR.items()}
    slow = rate_differences({"l": LINEAR, "m": ahead}, [("l", "m")], replications=200)[0]
    assert slow.difference.difference == pytest.approx(-5)
    assert slow.rise is not None
    assert slow.rise.difference == pytest.approx(0)
    assert slow.rise_p_value == 1


def test_an_interval_holds_the_rate_and_widens_with_the_speakers_spread():
    even = rate_interval(errors(20), replications=500)
    assert even == pytest.approx((20, 20))
    spread = SpeakerErrors(SPEAKERS, PHONES, np.array([[5, 35] * 6]))
    low, high = rate_interval(spread, replications=500) or (0, 0)
    assert 5 < low < 20 < high < 35
    assert high - low > 10
    assert rate_interval(errors(20, speakers=1), replications=500) is None


def test_bands_are_drawn():
    pytest.importorskip("matplotlib", reason="matplotlib (the extra report) is not installed")
    rates = {"lcorr-a": {0.8: [20.0], 1.0: [10.0]}}
    plain = draw_rates(rates)
    banded = draw_rates(rates, {"lcorr-a": {0.8: (18.0, 22.0), 1.0: (8.0, 12.0)}})
    assert b"FillBetween" in banded
    assert b"FillBetween" not in plain
    both = draw_rates(rates, None, {"lcorr-a": {0.8: (-1.0, -2.0, 0.5), 1.0: (0.0, -1.0, 1.0)}})
    assert b"points above the linear model" in both
    assert b"points above the linear model" not in banded
