import pytest

from cnn_mellin.scoring.significance.holm import holm


def test_values_by_hand() -> None:
    assert holm([0.01, 0.005, 0.03, 0.04]) == pytest.approx([0.03, 0.02, 0.06, 0.06])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_rejections_are_those_of_the_step_down_procedure() -> None:
    p_values = [0.011, 0.2, 0.012, 0.04, 0.3]
    # 0.011 > 0.05 / 5: nothing is rejected, although 0.012 < 0.05 / 4
    assert all(p > 0.05 for p in holm(p_values))
    assert [p <= 0.05 for p in holm([0.01, 0.2, 0.012, 0.04, 0.3])] == [True, False, True, False, False]


def test_values_outside_0_to_1_are_named() -> None:
    with pytest.raises(ValueError, match=r"p_values\[1\] is 1.5; it must lie in 0..1"):
        holm([0.1, 1.5])
    with pytest.raises(ValueError, match=r"p_values\[0\] is nan"):
        holm([float("nan")])
