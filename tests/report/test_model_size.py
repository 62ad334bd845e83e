import pytest

from cnn_mellin.config import Settings
from cnn_mellin.report.model_size import model_size
from cnn_mellin.training.model_folder import ModelDescription


def description(**training: object) -> ModelDescription:
    settings = Settings().updated({"model": {"recurrent_layers": 1, "recurrent_size": 4}, "training": training})
    return ModelDescription(
        settings=settings.as_dict(),
        seed=1,
        num_features=81,
        feature_type="fbank-81-10ms",
        frame_shift_ms=10.0,
        symbols=["aa", "sil"],
        train="train",
        dev=None,
        scale=[],
        versions={},
    )


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_only_weights_that_recognise_are_counted(weight):
    assert model_size(description(intermediate_ctc_weight=weight)) == model_size(description())
