"""The answer of a recipe names the best system, and says how certain that is."""

import pytest

from cnn_mellin.report.answer import answer

DECODERS = {"greedy": "greedy search, no language model"}


def comparison(means: dict[str, float], **p_values: float) -> dict:
    first, second = (f"{system}-greedy" for system in means)
    pair = {"first": first, "second": second, "bootstrap": {"difference": -3.21}, **p_values}
    return {"systems": {f"{system}-greedy": {"mean": mean} for system, mean in means.items()}, "pairs": [pair]}


def test_a_tie_has_no_winner():
    assert answer({"greedy": comparison({"lcorr-a": 20.001, "mcorr-a": 20.0})}, DECODERS) == [
        "Greedy search: mcorr-a and lcorr-a have the same phone error rate, 20.00 %."
    ]


@pytest.mark.parametrize(
    ("permutation_p", "training_p", "certainty"),
    [
        (0.001, 0.02, "more than chance explains (p = 0.020)"),
        (0.0002, 0.0001, "more than chance explains (p < 0.001)"),
        (0.2, 0.001, "not shown to be more than chance (p = 0.200)"),
    ],
)
def test_the_larger_p_value_decides(permutation_p, training_p, certainty):
    p_values = {"permutation_p_holm": permutation_p, "training_p_holm": training_p}
    (sentence,) = answer({"greedy": comparison({"lcorr-a": 23.21, "mcorr-a": 20.0}, **p_values)}, DECODERS)
    assert sentence == (
        f"Greedy search: mcorr-a has the lowest phone error rate, 20.0 %; 3.2 points below lcorr-a, {certainty}."
    )
