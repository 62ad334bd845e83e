import itertools

import pytest

from cnn_mellin.report.leader import significant_leader


def comparison(p_values: dict[str, float], means: dict[str, float]) -> dict:
    pairs = [
        {"first": a, "second": b, "permutation_p_holm": 0.001, "training_p_holm": p_values.get(a + b, 0.001)}
        for a, b in itertools.combinations(means, 2)
    ]
    return {"systems": {name: {"mean": mean} for name, mean in means.items()}, "pairs": pairs}


@pytest.mark.parametrize(
    ("p_values", "leader"),
    [({}, "b"), ({"ac": 0.9}, "b"), ({"bc": 0.05}, None), ({"ab": 0.2}, None), ({"ab": 0.049}, "b")],
)
def test_a_leader_differs_from_every_other_system(p_values, leader):
    assert significant_leader(comparison(p_values, {"a": 3.0, "b": 1.0, "c": 2.0})) == leader


def test_a_system_without_others_leads_nobody():
    assert significant_leader(comparison({}, {"a": 3.0})) is None
