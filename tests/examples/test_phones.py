import importlib
from types import ModuleType

import numpy as np
import pytest

from cnn_mellin.corpora.demo import make_demo_corpus
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.models.layer_plan import plan_layers
from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors


@pytest.fixture(scope="module")
def phones() -> ModuleType:
    return importlib.import_module("phones")


def test_log_time_and_its_control_have_the_same_live_weights_and_outputs(phones):
    for name, window in phones.WINDOWS.items():
        if len(window.models) < 2:
            continue
        time, log_time = (
            plan_layers(81, phones.arm_settings(name, model, epochs=1).model)[0] for model in ("lcorr", "mcorr")
        )
        assert log_time.num_live_weights == time.num_live_weights
        assert log_time.out_sizes == time.out_sizes
        assert log_time.tap_table().dead_rows == ()
        assert log_time.tap_table().most_ratios >= 5


def test_the_arms_with_local_branch_attention_and_anchors_differ_from_80_ms_in_these_only(phones):
    for name, change in (
        ("local branch", {"local_branch_channels": 8}),
        ("attention", {"window_pooling": "attention"}),
        ("anchors", {"window_anchors": 3}),
    ):
        for model in phones.KINDS:
            base, changed = (phones.arm_settings(arm, model, epochs=1) for arm in ("80 ms", f"80 ms + {name}"))
            assert changed == base.updated({"model": change})
        assert f"80 ms + {name}" not in phones.BY_DEFAULT


def test_natural_rate_counts_phones_between_first_and_last_loud_frame(phones, tmp_path):
    frames = np.full((300, 3), 0.01, np.float32)
    frames[100:200] = 1.0
    with write_partition(tmp_path / "test", PartitionDescription(num_coefficients=3)) as writer:
        writer.add("u", frames, [0, 1, 2, 0])
    assert phones.natural_rates(tmp_path / "test", {"u": ["sil", "a", "b", "sil"]}) == {"u": 2.0}


def test_interaction_is_the_gain_beyond_that_at_the_recorded_rate(phones):
    def errors(*counts: int) -> SpeakerErrors:
        return SpeakerErrors(("a", "b"), np.array([100, 100]), np.array([counts, counts]))

    log_time = {"1": errors(10, 10), "2": errors(20, 20)}
    time = {"1": errors(12, 12), "2": errors(30, 30)}
    assert phones.interaction(log_time, time, "2").difference == pytest.approx(-8)


def test_the_report_compares_each_arm_with_its_control_and_with_80_ms(phones):
    def errors(*counts: int) -> dict[str, SpeakerErrors]:
        of = SpeakerErrors(("a", "b"), np.array([100, 100]), np.array([counts, counts]))
        return dict.fromkeys([*(f"{rate:g}" for rate in phones.RATES), *phones.QUINTILES], of)

    arms = {
        "80 ms, time": errors(20, 20),
        "80 ms, log time": errors(18, 18),
        "160 ms, time": errors(25, 25),
        "160 ms, log time": errors(24, 24),
    }
    text = "\n".join(phones.report(arms, 2))
    rows = {cells[1].strip(): cells[4] for cells in (line.split("|") for line in text.splitlines()) if len(cells) > 4}
    assert rows["80 ms: log time - time"].split()[0] == "-2.00"
    assert rows["160 ms, time - that of 80 ms"].split()[0] == "+5.00"
    assert rows["160 ms, log time - that of 80 ms"].split()[0] == "+6.00"
    assert "80 ms, time - that of 80 ms" not in rows


@pytest.mark.soak
def test_all_of_it_runs_and_a_second_run_trains_and_decodes_nothing(phones, tmp_path):
    make_demo_corpus(tmp_path / "corpus", 100, 1, jobs=1, quiet=True)
    command = [str(tmp_path / "corpus"), str(tmp_path / "out"), "--seeds", "2", "--epochs", "1", "--windows", "80 ms"]
    phones.main(command)
    text = (tmp_path / "out" / "phones.md").read_text(encoding="utf-8")
    assert "80 ms: log time - time" in text
    assert "differences of the seeds at rate 1" in text
    assert (tmp_path / "out" / "phones.png").stat().st_size > 10_000
    made = {path: path.stat().st_mtime_ns for kind in ("*.pt", "*.trn") for path in (tmp_path / "out").rglob(kind)}
    assert made
    phones.main(command)
    assert made == {path: path.stat().st_mtime_ns for path in made}
    assert (tmp_path / "out" / "phones.md").read_text(encoding="utf-8") == text
