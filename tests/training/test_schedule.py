import pytest

from cnn_mellin.config import TrainingConfig
from cnn_mellin.training.schedule import PatienceMonitor, Schedule, learning_rate_factor


def run(monitor: PatienceMonitor, values: list[float]) -> list[int]:
    return [i for i, value in enumerate(values) if monitor.triggered(value)]


def test_patience_counts_epochs_without_a_fall_of_the_threshold():
    values = [50, 48, 47.5, 47.2, 46.9, 40, 40, 40, 40]
    assert run(PatienceMonitor(1.0, 3, 0), values) == [8]
    assert run(PatienceMonitor(0.1, 1, 0), values) == [6, 7, 8]
    assert run(PatienceMonitor(0.0, 1, 0), values) == []


def test_burnin_and_cooldown_are_not_watched():
    flat = [50.0] * 9
    assert run(PatienceMonitor(1.0, 2, 0), flat) == [2, 4, 6, 8]
    assert run(PatienceMonitor(1.0, 2, 3), flat) == [4, 6, 8]
    assert run(PatienceMonitor(1.0, 2, 0, cooldown=2), flat) == [2, 6]


def test_learning_rate_drops_by_its_factor_until_the_drop_is_too_small():
    config = TrainingConfig(
        log10_learning_rate=-3, reduce_lr_threshold=1, reduce_lr_factor=0.1, reduce_lr_log10_epsilon=-4
    )
    schedule = Schedule(config)
    rates = []
    for _ in range(4):
        assert not schedule.after_epoch(50.0)
        rates.append(schedule.learning_rate)
    assert rates == pytest.approx([1e-3, 1e-4, 1e-4, 1e-4])


def test_early_stopping_stops():
    schedule = Schedule(TrainingConfig(early_stopping_threshold=1, early_stopping_patience=2))
    assert [schedule.after_epoch(value) for value in (50, 40, 39.5, 39.4)] == [False, False, False, True]


def test_a_restored_state_continues_alike():
    config = TrainingConfig(early_stopping_threshold=1, early_stopping_patience=3, reduce_lr_threshold=1)
    whole, first = Schedule(config), Schedule(config)
    values = [50, 49, 49, 48.5, 48.4, 48.3]
    expected = [(whole.after_epoch(value), whole.learning_rate) for value in values]
    found = [(first.after_epoch(value), first.learning_rate) for value in values[:3]]
    second = Schedule(config)
    second.load_state_dict(first.state_dict())
    found += [(second.after_epoch(value), second.learning_rate) for value in values[3:]]
    assert found == expected
    assert [stop for stop, _ in expected] == [False] * 4 + [True, False]


def test_learning_rate_rises_holds_and_falls():
    config = TrainingConfig(learning_rate_warmup_proportion=0.1, learning_rate_decay_proportion=0.4)
    factors = [learning_rate_factor(update, 1000, config) for update in range(1000)]
    assert factors[:3] == pytest.approx([0.01, 0.02, 0.03])
    assert set(factors[100:599]) == {1.0}
    assert factors[-1] == pytest.approx(0.01)
    assert all(later <= earlier for earlier, later in zip(factors[600:], factors[601:], strict=False))
    assert {learning_rate_factor(update, 0, config) for update in range(5)} == {1.0}
