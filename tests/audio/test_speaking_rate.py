import numpy as np
import pytest

from cnn_mellin.audio.speaking_rate import change_speaking_rate

RATE_HZ = 16000


def voiced(hertz: float, seconds: float) -> np.ndarray:
    """A tone with overtones that rises and falls like a vowel."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    tone = sum(np.sin(2 * np.pi * hertz * k * time_s) / k for k in range(1, 8))
    return 1000 * tone * np.sin(np.pi * time_s / seconds)


def pitch_hz(samples: np.ndarray) -> float:
    """Pitch from the highest autocorrelation at the lags of 60 to 400 Hz."""
    middle = samples[len(samples) // 4 : 3 * len(samples) // 4].astype(float)
    correlation = np.correlate(middle, middle, "full")[len(middle) - 1 :]
    lags = np.arange(RATE_HZ // 400, RATE_HZ // 60)
    return RATE_HZ / lags[correlation[lags].argmax()]


@pytest.mark.parametrize("rate", [0.5, 0.7, 0.9, 1.1, 1.4, 2.0])
@pytest.mark.parametrize("hertz", [110.0, 220.0])
def test_the_rate_changes_length_but_neither_pitch_nor_loudness(rate, hertz):
    samples = voiced(hertz, 1.0)
    changed = change_speaking_rate(samples, rate)
    assert len(changed) == round(len(samples) / rate)
    assert changed.dtype == np.float32
    assert pitch_hz(changed) == pytest.approx(hertz, rel=0.02)
    assert np.sqrt(np.mean(changed**2)) == pytest.approx(np.sqrt(np.mean(samples**2)), rel=0.05)


@pytest.mark.parametrize("rate", [0.7, 1.4])
def test_events_move_to_their_time_divided_by_the_rate(rate):
    samples = np.random.default_rng(0).normal(0, 1, 2 * RATE_HZ)
    burst = slice(round(1.2 * RATE_HZ), round(1.4 * RATE_HZ))
    samples[burst] *= 1000
    changed = change_speaking_rate(samples, rate)
    loud = np.flatnonzero(np.abs(changed) > 300)
    assert loud[0] / RATE_HZ == pytest.approx(1.2 / rate, abs=0.03)
    assert loud[-1] / RATE_HZ == pytest.approx(1.4 / rate, abs=0.03)


def test_a_rate_of_one_changes_nothing():
    samples = voiced(150, 0.3).astype(np.float32)
    assert change_speaking_rate(samples, 1).tolist() == samples.tolist()


@pytest.mark.parametrize("length", [0, 1, 200, 600])
@pytest.mark.parametrize("rate", [0.3, 1.3, 3])
def test_signals_of_any_length_are_accepted(length, rate):
    changed = change_speaking_rate(np.ones(length), rate)
    assert len(changed) == round(length / rate)
    assert np.isfinite(changed).all()


@pytest.mark.parametrize("rate", [0, 0.2, 3.5, float("nan")])
def test_rates_outside_the_range_are_refused(rate):
    with pytest.raises(ValueError, match=r"rate is .*; it must lie in 0.3..3"):
        change_speaking_rate([0.0], rate)
