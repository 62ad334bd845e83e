import pytest
import torch

from cnn_mellin.training.memory_shortage import TrainingMemoryError, naming_memory_shortage


def test_a_real_shortage_is_named():
    with pytest.raises(TrainingMemoryError, match=r"^m: epoch 2: out of memory .*lower \[data\] batch_size"):
        with naming_memory_shortage("m: epoch 2"):
            torch.empty(1 << 60, dtype=torch.uint8)


def test_a_devices_shortage_is_named():
    with pytest.raises(TrainingMemoryError, match="out of memory"), naming_memory_shortage("m"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), naming_memory_shortage("m"):
        torch.ones(2, 3) @ torch.ones(2, 3)
