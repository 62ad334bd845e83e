from pathlib import Path

import numpy as np
import pytest

from cnn_mellin.report.figures.confusions import plot_confusions
from cnn_mellin.scoring import phone_error_rate

image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")


def ink(path: Path) -> float:
    return float(np.mean(image.imread(path)[..., :3].min(axis=2) < 0.5))


def test_correct_phones_lie_on_the_diagonal(tmp_path: Path) -> None:
    phones = [f"p{i}" for i in range(12)]
    right = phone_error_rate({"a": phones}, {"a": phones})
    plot_confusions(*right.confusion_matrix(), tmp_path / "right.png", title="right")
    taken = phone_error_rate({"a": phones[:6]}, {"a": phones[6:]})
    plot_confusions(*taken.confusion_matrix(), tmp_path / "wrong.png")
    correlations = []
    for name in ("right", "wrong"):
        red, _, blue = np.moveaxis(image.imread(tmp_path / f"{name}.png")[..., :3], 2, 0)
        rows, columns = np.nonzero((red < 0.1) & (blue > red + 0.2))  # cells of nearly 100 percent
        table = columns < 0.75 * red.shape[1]  # without the bar of colours
        correlations.append(np.corrcoef(rows[table], columns[table])[0, 1])
    assert correlations[0] > 0.98
    assert correlations[1] < 0.98, correlations


@pytest.mark.parametrize(
    ("reference", "hypothesis"), [([], []), (["t"], []), ([], ["t"]), (["t"] * 3, ["t"] * 3), (["a b"], ["$x_y$"])]
)
def test_few_phones_or_none(tmp_path: Path, reference: list[str], hypothesis: list[str]) -> None:
    scored = phone_error_rate({"a": reference}, {"a": hypothesis})
    plot_confusions(*scored.confusion_matrix(), tmp_path / "few.png", title="$_{")
    assert ink(tmp_path / "few.png") > 0
    assert [path.name for path in tmp_path.iterdir()] == ["few.png"]
