import runpy
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "examples" / "unseen_speed.py"


@pytest.mark.slow
def test_the_mellin_layer_recognises_what_the_linear_one_does_not():
    found = runpy.run_path(str(PROGRAM))["accuracies"](100, [0.6, 1.0, 1.6], number=200)
    assert min(found["Mellin"]) > 0.8
    assert found["linear"][1] > 0.95  # it has learnt, too
    assert max(found["linear"][0], found["linear"][2]) < 0.5
