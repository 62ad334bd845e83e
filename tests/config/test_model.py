import pytest
from pydantic import ValidationError

from cnn_mellin.config import AcousticModelConfig, DataConfig, TrainingConfig


def test_defaults_are_the_users():
    model, training, data = AcousticModelConfig(), TrainingConfig(), DataConfig()
    assert (model.window_size, model.window_stride, model.convolutional_layers) == (5, 3, 5)
    assert (model.recurrent_type, model.recurrent_size, model.convolutional_mellin) == ("LSTM", 128, False)
    assert (training.max_time_warp, training.max_time_mask, training.noise_eps) == (20.0, 100, 1e-3)
    assert (data.batch_size, data.scale_features, data.bucket_by_length) == (10, False, False)


@pytest.mark.parametrize("name", ["window_size", "window_stride", "recurrent_size", "convolutional_factor_schedule"])
def test_bounds_hold_at_construction_and_assignment(name):
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        AcousticModelConfig(**{name: 0})  # type: ignore[arg-type]
    config = AcousticModelConfig()
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        setattr(config, name, 0)


def test_unknown_names_are_refused():
    with pytest.raises(ValidationError, match="Unexpected keyword argument"):
        AcousticModelConfig(window=3)  # type: ignore[call-arg]
