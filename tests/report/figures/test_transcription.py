import pytest
import torch

from cnn_mellin.decoding.transcriber import Transcription
from cnn_mellin.report.figures.transcription import plot_transcription

image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed (the extra report)")


def transcription(features: torch.Tensor, num_phones: int = 2) -> Transcription:
    log_probs = (8 * torch.eye(3)[torch.arange(10) % 3]).log_softmax(1)
    phones = [("aa", 0.0, 0.1), ("b", 0.1, 0.3)][:num_phones]
    return Transcription(phones, [([], 0.0)], 1.0, torch.randn(16000) * 3000, features, log_probs, 0.1)


@pytest.mark.parametrize(
    "features",
    [torch.rand(100, 5), torch.randn(100, 5), torch.zeros(100, 5), torch.randn(16000, 1)],
    ids=["magnitudes", "logarithms", "silence", "raw"],
)
def test_each_kind_of_features_is_plotted(tmp_path, features):
    plot_transcription(transcription(features), ["aa", "b"], tmp_path / "a.png", title="a")
    height, width, _ = image.imread(tmp_path / "a.png").shape
    assert width == 800
    assert height > 300
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_transcription_without_phones_is_plotted(tmp_path):
    plot_transcription(transcription(torch.rand(100, 5), num_phones=0), ["aa", "b"], tmp_path / "empty.png")
    plot_transcription(transcription(torch.rand(100, 5)), ["aa", "b"], tmp_path / "two.png")
    empty, two = image.imread(tmp_path / "empty.png"), image.imread(tmp_path / "two.png")
    assert empty.shape != two.shape or (empty != two).any()
