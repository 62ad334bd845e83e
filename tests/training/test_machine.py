import datetime
import json

import pytest
import torch

from cnn_mellin.errors import DataError
from cnn_mellin.training.machine import read_machine, write_machine


def test_a_machine_is_read_as_it_was_written(tmp_path):
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    write_machine(tmp_path, torch.device("cpu"))
    machine = read_machine(tmp_path)
    assert machine is not None
    assert before <= datetime.datetime.fromisoformat(machine.finished) <= datetime.datetime.now(datetime.UTC)
    assert machine.device == "cpu"
    assert machine.processor
    assert machine.system


def test_folders_of_earlier_versions_have_no_machine(tmp_path):
    assert read_machine(tmp_path) is None


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "machine.json").write_text(json.dumps({"finished": 3}))
    with pytest.raises(DataError, match=r"machine.json: .*finished is 3.*; restore it, or delete it"):
        read_machine(tmp_path)
