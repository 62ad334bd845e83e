import pickle

import pytest

from cnn_mellin.corpora.fault import Fault
from cnn_mellin.data.faulty_utterances import (
    FaultyCorpusError,
    LeaveOut,
    fault_table,
    require_few_faults,
    write_fault_list,
)
from cnn_mellin.errors import AudioError, CorpusError, SettingsError


def faults(count: int, why: str = "is empty; copy it again") -> list[Fault]:
    return [Fault(f"u{i}", AudioError(f"u{i}.wav", why)) for i in range(count)]


@pytest.mark.parametrize(
    ("most", "num_faulty", "num_utterances", "allowed"),
    [("1%", 1, 100, True), ("1%", 1, 99, False), ("0%", 0, 5, True), ("0%", 1, 5, False), ("2.5%", 1, 40, True)]
    + [("3", 3, 3, True), ("3", 4, 4000, False), ("100%", 7, 7, True)],
)
def test_a_share_or_a_number_may_be_left_out(most, num_faulty, num_utterances, allowed):
    assert LeaveOut(most).allows(num_faulty, num_utterances) == allowed


@pytest.mark.parametrize("most", ["", "%", "-1", "1.5", "1 %", "100.1%", "nan%"])
def test_other_limits_are_refused(most):
    with pytest.raises(SettingsError, match="leave_out_damaged .*: must be a percentage of a partition"):
        LeaveOut(most)


def test_the_remedies_depend_on_the_faults():
    with pytest.raises(AudioError, match="^u0.wav: is empty; copy it again; or leave it out with leave_out_damaged=1$"):
        require_few_faults({"train": faults(1)}, {"train": 9}, None)
    why = "sample rate is 8000 Hz; expected 16000 Hz; resample the file"
    with pytest.raises(AudioError, match=f"^u0.wav: {why}, or pass resample=True$"):
        require_few_faults({"train": faults(1, why)}, {"train": 9}, None)
    line = Fault("u", CorpusError("list.tsv", 4, "has no symbol"))
    with pytest.raises(CorpusError, match="^list.tsv:4: has no symbol; or leave it out with leave_out_damaged=1$"):
        require_few_faults({"train": [line], "dev": []}, {"train": 9, "dev": 1}, None)
    with pytest.raises(
        FaultyCorpusError, match="; mend them, or leave them out with leave_out_damaged=33.4%; for 3 of "
    ):
        require_few_faults({"train": faults(3, why), "dev": []}, {"train": 9, "dev": 1}, None)
    with pytest.raises(
        FaultyCorpusError, match="^3 of 3 utterances of train cannot be used; mend them; for 3 of them, p"
    ):
        require_few_faults({"train": faults(3, why), "dev": []}, {"train": 3, "dev": 1}, None)
    require_few_faults({"train": faults(1), "dev": []}, {"train": 100, "dev": 1}, LeaveOut())
    with pytest.raises(FaultyCorpusError, match="none of 1 utterances of dev can be used; mend them"):
        require_few_faults({"train": [], "dev": faults(1)}, {"train": 100, "dev": 1}, LeaveOut("100%"))
    with pytest.raises(
        FaultyCorpusError, match="2 of 100 utterances of train cannot be used, more than leave_out_damag"
    ):
        require_few_faults({"train": faults(2), "dev": []}, {"train": 100, "dev": 1}, LeaveOut())


def test_a_table_shows_the_values_that_all_faults_of_a_kind_share():
    found = [
        *faults(2, "is empty (0 bytes); copy it"),
        *faults(1, "holds 3 of 9 samples"),
        *faults(1, "holds 4 of 9 samples"),
    ]
    rows = [line.split("  ")[0] for line in fault_table({"train": found})[1:]]
    assert rows == ["is empty (0 bytes)", "holds N of N samples"]


def test_the_error_holds_all_faults_also_after_a_trip_between_processes():
    error = pickle.loads(pickle.dumps(FaultyCorpusError({"train": faults(2)}, "two")))
    assert str(error) == "two"
    assert [str(fault.error) for fault in error.faults["train"]] == [str(fault.error) for fault in faults(2)]


def test_a_list_of_faults_disappears_with_them(tmp_path):
    path = tmp_path / "new" / "data.faults.tsv"
    write_fault_list(path, {"train": []})
    assert not path.parent.exists()
    write_fault_list(path, {"train": [Fault("u", CorpusError("a", 1, "is\nodd\there"))]})
    assert path.read_text() == "partition\tutterance\tfault\ntrain\tu\ta:1: is odd here\n"
    write_fault_list(path, {"train": []})
    assert not path.exists()
