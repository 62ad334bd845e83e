import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from cnn_mellin.atomic import atomic_file
from cnn_mellin.config import Settings, format_settings, read_settings
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.data.tensor_files import open_partition, write_tensor_files
from cnn_mellin.errors import DataError, SettingsError, UserError
from cnn_mellin.training import BestEpochs, load_model, train
from cnn_mellin.training.checkpoint import CheckpointStore
from cnn_mellin.training.description import OtherTrainingError
from cnn_mellin.training.evaluation import partition_error_rate
from cnn_mellin.training.interruption import TrainingInterrupted
from cnn_mellin.training.lock import FolderLock
from cnn_mellin.training.machine import read_machine
from cnn_mellin.training.model_folder import checkpoint_store, read_description


def weights(folder, epoch=None) -> dict[str, torch.Tensor]:
    return checkpoint_store(folder, read_description(folder)).load_model(epoch)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class StoppedError(Exception):
    pass


def stop_after(epoch: int):
    def after_epoch(record, _num_epochs):
        if record.epoch == epoch:
            raise StoppedError

    return after_epoch


@pytest.fixture
def log(caplog):
    """What the package logs, from info on."""
    caplog.set_level(logging.INFO, "cnn_mellin")
    return caplog


def lines(log, level: int) -> list[str]:
    return [record.getMessage() for record in log.records if record.levelno == level]


def run(toy, folder, settings, **kwargs):
    return train(toy / "train", toy / "dev", folder, settings, **kwargs)


@pytest.mark.slow
def test_training_learns_an_easy_task(tmp_path, toy, settings):
    plain: dict[str, float] = {
        "dropout_prob": 0,
        "noise_eps": 0,
        "max_time_warp": 0,
        "max_freq_warp": 0,
        "num_time_mask": 0,
    }
    plain |= {"num_freq_mask": 0, "num_epochs": 40, "reduce_lr_threshold": 0, "log10_learning_rate": -1.7}
    learning = settings.updated(
        {"training": plain, "model": {"recurrent_size": 16, "recurrent_layers": 1}, "data": {"batch_size": 1}}
    )
    result = run(toy, tmp_path / "m", learning)
    percents = [record.dev_per_percent for record in result.records]
    assert result.records[-1].train_loss < 0.3 * result.records[0].train_loss
    assert percents[result.best_epoch - 1] == min(percents) < 25


def test_same_seed_gives_same_weights_and_another_seed_others(tmp_path, toy, settings):
    run(toy, tmp_path / "a", settings)
    run(toy, tmp_path / "b", settings)
    run(toy, tmp_path / "c", settings.updated({"training": {"seed": 2}}))
    assert same(weights(tmp_path / "a", 4), weights(tmp_path / "b", 4))
    machine = read_machine(tmp_path / "a")
    assert machine is not None
    assert machine.device == "cpu"
    assert not same(weights(tmp_path / "a", 4), weights(tmp_path / "c", 4))


@pytest.mark.parametrize(("epoch", "decay"), [(1, 0), (2, 0), (3, 0), (2, 0.9)])
def test_resumed_equals_uninterrupted(tmp_path, toy, settings, epoch, decay):
    settings = settings.updated({"training": {"weight_averaging_decay": decay}})
    whole = run(toy, tmp_path / "whole", settings)
    with pytest.raises(StoppedError):
        run(toy, tmp_path / "parts", settings, after_epoch=stop_after(epoch))
    resumed = run(toy, tmp_path / "parts", settings)
    assert resumed.resumed_from == epoch
    assert same(weights(tmp_path / "whole", 4), weights(tmp_path / "parts", 4))
    for ours, theirs in zip(resumed.records, whole.records, strict=True):
        assert ours.train_loss == theirs.train_loss
        assert ours.dev_per_percent == theirs.dev_per_percent
        assert ours.learning_rate == theirs.learning_rate


@pytest.mark.parametrize("pooling", ["attention", "logsumexp"])
def test_a_model_with_every_kind_of_layer_resumes_to_the_same_weights(tmp_path, toy, settings, pooling):
    changes = {"local_branch_channels": 2, "local_branch_kernel_time": 2, "window_anchors": 2}
    settings = settings.updated(
        {"model": {**changes, "window_pooling": pooling}, "training": {"intermediate_ctc_weight": 0.3}}
    )
    run(toy, tmp_path / "whole", settings)
    with pytest.raises(StoppedError):
        run(toy, tmp_path / "parts", settings, after_epoch=stop_after(2))
    run(toy, tmp_path / "parts", settings)
    found = weights(tmp_path / "whole", 4)
    assert same(found, weights(tmp_path / "parts", 4))
    assert any(name.startswith("local_branch.") for name in found)
    assert "intermediate_out.weight" in found
    assert pooling != "attention" or found["attention.weight"].any()


def test_a_training_of_a_version_without_a_setting_resumes(tmp_path, toy, settings):
    with pytest.raises(StoppedError):
        run(toy, tmp_path / "m", settings, after_epoch=stop_after(1))
    path = tmp_path / "m" / "model.json"
    content = json.loads(path.read_text())
    for name in ("local_branch_channels", "local_branch_kernel_time"):
        content["settings"]["model"].pop(name)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"model.local_branch_channels: 2, not 0"):
        run(toy, tmp_path / "m", settings.updated({"model": {"local_branch_channels": 2}}))
    assert run(toy, tmp_path / "m", settings).resumed_from == 1


class StopAt:
    """Returns true from its n-th call on; toy epochs have 3 batches, and one call before the first."""

    def __init__(self, question: int) -> None:
        self.left = question

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "where"),
    [
        (1, "all 0 epochs are saved"),
        (2, "saved after batch 1 of 3 of epoch 1"),
        (7, "saved after batch 2 of 3 of epoch 2"),
        (8, None),
        (15, "saved after batch 2 of 3 of epoch 4"),
    ],
)
def test_a_stop_within_an_epoch_loses_nothing(tmp_path, toy, settings, question, where, log):
    whole = run(toy, tmp_path / "whole", settings)
    with pytest.raises(TrainingInterrupted, match=where or "all 2 epochs are saved"):
        run(toy, tmp_path / "parts", settings, stop=StopAt(question))
    saved = {path.name for path in (tmp_path / "parts").glob("within_*")}
    assert len(saved) == (where is not None and "batch" in where)
    log.clear()
    resumed = run(toy, tmp_path / "parts", settings)
    if saved:
        assert any("resumes within epoch" in line for line in lines(log, logging.INFO))
    assert not list((tmp_path / "parts").glob("within_*"))
    assert same(weights(tmp_path / "whole", 4), weights(tmp_path / "parts", 4))
    for ours, theirs in zip(resumed.records, whole.records, strict=True):
        assert (ours.train_loss, ours.dev_per_percent) == (theirs.train_loss, theirs.dev_per_percent)


@pytest.mark.parametrize(
    ("batches", "announcement"),
    [
        ({"max_batch_seconds": 0.6}, ""),
        ({"first_batch_size": 2, "batch_size": 4}, "; batches double until they have 4"),
    ],
)
def test_batches_of_other_sizes_are_announced_and_resumed(tmp_path, toy, settings, log, batches, announcement):
    sized = settings.updated({"data": batches})
    run(toy, tmp_path / "whole", sized)
    (announced,) = (line for line in lines(log, logging.INFO) if "updates per epoch" in line)
    sizes = r"\d updates per epoch, of \d to \d utterances; \d+\.\d % of the frames are padding"
    assert re.fullmatch(f"{toy}/train: {sizes}{announcement}", announced)
    with pytest.raises(TrainingInterrupted, match="saved after batch 1 of "):
        run(toy, tmp_path / "parts", sized, stop=StopAt(2))
    log.clear()
    run(toy, tmp_path / "parts", sized)
    assert not any("updates per epoch" in line for line in lines(log, logging.INFO))
    assert same(weights(tmp_path / "whole", 4), weights(tmp_path / "parts", 4))


@pytest.mark.slow
def test_stops_after_every_batch_end_with_the_same_weights(tmp_path, toy, settings):
    run(toy, tmp_path / "whole", settings)
    stops = 0
    while True:
        try:
            run(toy, tmp_path / "parts", settings, stop=StopAt(2))
        except TrainingInterrupted:
            stops += 1
        else:
            break
    assert stops >= 8
    assert same(weights(tmp_path / "whole", 4), weights(tmp_path / "parts", 4))


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_damaged_save_within_an_epoch_falls_back_to_the_epoch_before(tmp_path, toy, settings, epoch, log):
    run(toy, tmp_path / "whole", settings)
    with pytest.raises(TrainingInterrupted, match=f"of epoch {epoch}"):
        run(toy, tmp_path / "parts", settings, stop=StopAt(4 * epoch - 2))
    (within,) = (tmp_path / "parts").glob("within_*")
    within.write_bytes(within.read_bytes()[:-1])
    log.clear()
    resumed = run(toy, tmp_path / "parts", settings)
    (warning,) = lines(log, logging.WARNING)
    assert re.search(r"within_.*is damaged .* going back to the epoch before it", warning)
    assert resumed.resumed_from == epoch - 1
    assert same(weights(tmp_path / "whole", 4), weights(tmp_path / "parts", 4))


@pytest.mark.slow
def test_saving_within_epochs_does_not_change_the_result(tmp_path, toy, settings, monkeypatch):
    run(toy, tmp_path / "whole", settings, save_every_minutes=0)
    saved = []
    real = CheckpointStore.save_within

    def save_within(store, checkpoint, num_batches):
        saved.append(num_batches)
        real(store, checkpoint, num_batches)

    monkeypatch.setattr(CheckpointStore, "save_within", save_within)
    often = run(toy, tmp_path / "often", settings, save_every_minutes=1e-9)
    assert saved == [1, 2] * 4  # after every update but the last of an epoch, which has 3
    assert same(weights(tmp_path / "whole", 4), weights(tmp_path / "often", 4))
    assert [record.num_not_finite for record in often.records] == [0] * 4
    assert not list((tmp_path / "often").glob("within_*"))
    run(toy, tmp_path / "never", settings)  # takes less than ten minutes
    assert len(saved) == 8


@pytest.mark.parametrize("minutes", [-1, float("inf"), float("nan")])
def test_an_impossible_time_between_saves_is_refused(tmp_path, toy, settings, minutes):
    with pytest.raises(SettingsError, match=f"save_every_minutes {minutes:g}: must be 0 .off. or a number"):
        run(toy, tmp_path / "m", settings, save_every_minutes=minutes)
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler's own
def test_compiled_convolutions_train_to_nearly_the_same(tmp_path, toy, settings):
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler, which torch.compile needs on a CPU")
    short = settings.updated({"training": {"num_epochs": 1, "dropout_prob": 0}, "data": {"subset_ids": ["utt00"]}})
    run(toy, tmp_path / "a", short)
    run(toy, tmp_path / "b", short, compiled=True)
    plain, compiled = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert plain.keys() == compiled.keys()
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-3, atol=1e-4)


def test_other_random_streams_do_not_change_the_result(tmp_path, toy, settings):
    run(toy, tmp_path / "a", settings)
    torch.manual_seed(99)
    np.random.seed(99)
    before = torch.get_rng_state()
    run(toy, tmp_path / "b", settings)
    assert torch.equal(torch.get_rng_state(), before)
    assert same(weights(tmp_path / "a", 4), weights(tmp_path / "b", 4))


def test_finished_training_is_left_alone(tmp_path, toy, settings):
    run(toy, tmp_path / "m", settings)
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "m").glob("*.pt")}
    result = run(toy, tmp_path / "m", settings)
    assert result.resumed_from == 4
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "m").glob("*.pt")} == times


def test_unset_seeds_are_drawn_once_and_kept(tmp_path, toy, settings):
    free = settings.updated({"training": {"seed": ""}})
    with pytest.raises(StoppedError):
        run(toy, tmp_path / "m", free, after_epoch=stop_after(1))
    seed = read_description(tmp_path / "m").seed
    run(toy, tmp_path / "m", free)
    assert read_description(tmp_path / "m").seed == seed
    run(toy, tmp_path / "other", free)
    assert read_description(tmp_path / "other").seed != seed


def test_other_settings_or_data_are_refused_by_name(tmp_path, toy, settings):
    run(toy, tmp_path / "m", settings)
    with pytest.raises(OtherTrainingError, match=r"other settings or data \(training.num_epochs: 5, not 4\)"):
        run(toy, tmp_path / "m", settings.updated({"training": {"num_epochs": 5}}))
    with pytest.raises(OtherTrainingError, match="train: "):
        train(toy / "dev", toy / "dev", tmp_path / "m", settings)


def test_early_stopping_ends_a_training_without_epochs(tmp_path, toy, settings):
    stopping = {"num_epochs": "", "early_stopping_threshold": 90, "early_stopping_patience": 2}
    result = run(toy, tmp_path / "m", settings.updated({"training": stopping}))
    assert len(result.records) == 3


def test_a_training_without_an_end_is_refused(tmp_path, toy):
    with pytest.raises(SettingsError, match="num_epochs is unset and early stopping is off") as raised:
        run(toy, tmp_path / "m", Settings())
    named = str(raised.value).rpartition("such as ")[2]  # settings that ship, and do end
    assert read_settings(named).training.num_epochs == 8
    assert not (tmp_path / "m").exists()


def test_without_dev_the_training_loss_decides(tmp_path, toy, settings):
    result = train(toy / "train", None, tmp_path / "m", settings)
    losses = [record.train_loss for record in result.records]
    assert losses[result.best_epoch - 1] == min(losses)
    assert all(np.isnan(record.dev_per_percent) for record in result.records)


def test_a_directory_of_tensor_files_trains_to_the_same_weights(tmp_path, toy, settings):
    unscaled = settings.updated({"data": {"scale_features": False}})
    run(toy, tmp_path / "packed", unscaled)
    write_tensor_files(open_partition(toy / "train"), tmp_path / "files" / "train")
    (tmp_path / "files" / "ext").symlink_to(toy / "ext")
    train(tmp_path / "files" / "train", None, tmp_path / "a", unscaled)
    train(toy / "train", None, tmp_path / "b", unscaled)
    assert same(weights(tmp_path / "a", 4), weights(tmp_path / "b", 4))


def test_references_longer_than_ctc_can_emit_are_counted_and_named(tmp_path, toy, settings, log):
    with write_partition(toy / "short", PartitionDescription(6)) as writer:
        writer.add("fine", np.ones((20, 6)), [0, 1])
        writer.add("long", np.ones((5, 6)), [0, 1, 1])
    result = train(toy / "short", None, tmp_path / "m", settings)
    (warning,) = lines(log, logging.WARNING)
    assert "1 of 2 references are longer than CTC can emit" in warning
    assert warning.endswith(": long")
    assert [record.num_not_emittable for record in result.records] != [0, 0, 0, 0]


def test_a_subset_trains_on_its_utterances_only(tmp_path, toy, settings):
    chosen = settings.updated({"data": {"subset_ids": ["utt00", "utt01"]}})
    result = run(toy, tmp_path / "m", chosen)
    assert result.records[0].epoch == 1
    with pytest.raises(DataError, match="names utterances that do not exist: nobody"):
        run(toy, tmp_path / "n", settings.updated({"data": {"subset_ids": ["nobody"]}}))


def test_sos_and_eos_must_be_symbols(tmp_path, toy, settings):
    run(toy, tmp_path / "m", settings.updated({"data": {"sos": "sil", "eos": "z"}}))
    with pytest.raises(SettingsError, match="sos or eos = sill: is not a symbol of token2id.txt; did you mean 'sil'"):
        run(toy, tmp_path / "n", settings.updated({"data": {"sos": "sill"}}))


def test_nan_in_features_is_named_before_anything_is_written(tmp_path, toy, settings):
    features = np.load(toy / "train" / "features.npy", mmap_mode="r+")
    features[3, 0] = np.nan
    features.flush()
    with pytest.raises(DataError, match="utterance utt00, frame 3: a feature is NaN or infinite"):
        run(toy, tmp_path / "m", settings)
    assert not (tmp_path / "m").exists()


def flip_a_bit(path, place=1000):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("partition", ["train", "dev"])
def test_damaged_features_are_named_before_anything_is_written(tmp_path, toy, settings, partition):
    flip_a_bit(toy / partition / "features.npy")
    with pytest.raises(
        DataError, match=f"{partition}: is damaged .*features, references or ids are not what was written"
    ):
        run(toy, tmp_path / "m", settings)
    assert not (tmp_path / "m").exists()


def test_a_training_that_resumes_reads_no_features_at_its_start(tmp_path, toy, settings, monkeypatch):
    scaled = settings.updated({"data": {"scale_features": True}})
    for partition in ("train", "dev"):
        for file in (toy / partition).iterdir():
            os.utime(file, ns=(0, 1_700_000_000_000_000_001))
    time.sleep(0.03)  # the files are then old enough to be known by their times
    run(toy, tmp_path / "m", scaled)

    def read(*_arguments):
        raise AssertionError("features are read")

    monkeypatch.setattr("cnn_mellin.data.partition.verify_content", read)
    monkeypatch.setattr("cnn_mellin.data.partition.Partition.features_of", read)
    monkeypatch.setattr("numpy.isfinite", read)
    assert run(toy, tmp_path / "m", scaled).resumed_from == 4


def test_dev_of_another_width_is_refused(tmp_path, toy, settings):
    with write_partition(toy / "wide", PartitionDescription(7)) as writer:
        writer.add("a", np.ones((20, 7)), [0])
    with pytest.raises(DataError, match=r"wide: has 7 coefficients, but .*train has 6"):
        train(toy / "train", toy / "wide", tmp_path / "m", settings)


def set_features(path, frames):
    """Rewrite a partition with some frames that are finite but too large to compute with."""
    old = read_partition(path)
    features = np.array(old.features)
    features[frames] = 3e38
    changed = replace(old, features=features)
    content = [(name, changed.features_of(i), old.reference_of(i)) for i, name in enumerate(old.utterance_ids)]
    with write_partition(path, old.description) as writer:
        for utterance in content:
            writer.add(*utterance)


@pytest.mark.slow
def test_a_batch_that_is_not_finite_changes_nothing_and_is_named(tmp_path, toy, settings, log):
    plain = settings.updated(
        {"model": {"use_log_compression": False}, "data": {"batch_size": 1, "scale_features": False}}
    )
    set_features(toy / "train", slice(12))
    result = run(toy, tmp_path / "m", plain)
    left_out = "left out a batch whose loss or gradient was not finite: utt00"
    assert lines(log, logging.WARNING) == [f"{tmp_path / 'm'}: epoch {epoch}: {left_out}" for epoch in (1, 2, 3, 4)]
    assert [record.num_not_finite for record in result.records] == [1] * 4
    assert all(torch.isfinite(value).all() for value in weights(tmp_path / "m").values())
    set_features(toy / "train", slice(None))
    with pytest.raises(DataError, match=r"epoch \d: no batch had a finite loss; the training has diverged"):
        run(toy, tmp_path / "n", plain)


def test_initial_weights_are_made_again_from_the_seed(tmp_path, toy, settings):
    run(toy, tmp_path / "m", settings)
    untrained, _ = load_model(tmp_path / "m", epoch=0)
    trained, _ = load_model(tmp_path / "m")
    again, _ = load_model(tmp_path / "m", epoch=0)
    assert same(untrained.state_dict(), again.state_dict())
    assert not same(untrained.state_dict(), trained.state_dict())


# A process that has imported everything forks one child per run: children start fast, and can be killed freely.
_KILLED = """
import os, random, signal, sys, time
import torch
from cnn_mellin.cli.main import main
import cnn_mellin.training.loop, cnn_mellin.config, cnn_mellin.report.figures.learning_curves, matplotlib.figure

torch.set_num_threads(1)
num_epochs, num_kills, folder, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
chance = random.Random(1)


def run(folder, prepare=lambda: None, kill_after=None):
    child = os.fork()
    if not child:
        prepare()
        os._exit(main([*command, folder, "--no-tensorboard"]))
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(name, call):  # inside a checkpoint: before the call-th time that a file is synchronised or renamed
    real, left = getattr(os, name), call

    def counted(*arguments, **options):
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)

    setattr(os, name, counted)


began = time.monotonic()
assert run(folder + "/whole") == 0
epoch_s = (time.monotonic() - began) / num_epochs
for kill in range(num_kills):
    if kill % 2:
        status = run(folder + "/parts", kill_after=chance.uniform(0, 3 * epoch_s))
    else:
        name, call = chance.choice(["fsync", "replace"]), chance.randint(1, 9)
        status = run(folder + "/parts", lambda: die_at(name, call))
    assert status == -signal.SIGKILL, status
assert run(folder + "/parts") == 0
"""


@pytest.mark.soak
def test_twenty_kills_some_while_saving_end_with_the_same_weights(tmp_path, toy, settings):
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    num_epochs = 60  # more than complete between twenty kills
    settings = settings.updated({"training": {"num_epochs": num_epochs}})
    (tmp_path / "s.ini").write_text(format_settings(settings))
    command = ["--read-ini", str(tmp_path / "s.ini"), "train", str(toy / "train"), str(toy / "dev")]
    arguments = [sys.executable, "-c", _KILLED, str(num_epochs), "20", str(tmp_path), *command]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert same(weights(tmp_path / "whole", num_epochs), weights(tmp_path / "parts", num_epochs))
    assert len(re.findall(r"resumes after epoch \d+", done.stdout)) >= 6
    assert not list((tmp_path / "parts").glob(".*.partial"))  # half-written files of killed runs


def test_leftovers_of_killed_runs_never_block_a_training(tmp_path, toy, settings):
    (tmp_path / "m" / ".logits.0123abcd.partial" / "feat").mkdir(parents=True)
    (tmp_path / "m" / ".x.partial").mkdir()
    for name in (".hyp.trn.0123abcd.partial", ".hyp.trn.0123abcd.lock", ".m.onnx.ab_d0123.partial"):
        (tmp_path / "m" / name).write_text("half")
    with atomic_file(tmp_path / "m" / "living.trn") as file:
        file.write("whole")
        run(toy, tmp_path / "m", settings.updated({"training": {"num_epochs": 1}}))
    assert (tmp_path / "m" / "living.trn").read_text() == "whole"
    assert sorted(path.name for path in (tmp_path / "m").glob(".*")) == [".lock", ".x.partial"]


@pytest.mark.parametrize("name", ["settings.ini", "history.csv", "checkpoints.json", "curves.png"])
def test_files_of_other_origin_are_not_replaced(tmp_path, toy, settings, name):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / name).write_text("precious")
    with pytest.raises(DataError, match=rf"/m.*{name}.*; name another folder$"):
        run(toy, tmp_path / "m", settings)
    assert (tmp_path / "m" / name).read_text() == "precious"
    assert not (tmp_path / "m" / "model.json").exists()


def test_a_kill_between_description_and_settings_does_not_matter(tmp_path, toy, settings):
    once = settings.updated({"training": {"num_epochs": 1}})
    run(toy, tmp_path / "m", once)
    text = (tmp_path / "m" / "settings.ini").read_text()
    (tmp_path / "m" / "settings.ini").unlink()
    run(toy, tmp_path / "m", once)
    assert (tmp_path / "m" / "settings.ini").read_text() == text
    for name in ("model.json", "checkpoints.json", "history.csv"):  # an earlier version wrote the settings first
        (tmp_path / "m" / name).unlink()
    run(toy, tmp_path / "m", once)


@pytest.mark.parametrize("place", ["train", "train/m", "dev", "../data/train"])
def test_a_model_folder_inside_a_partition_is_refused(toy, settings, place):
    before = sorted(toy.rglob("*"))
    with pytest.raises(DataError, match="is the partition .*, or lies in it; name another folder for the model"):
        run(toy, toy / place, settings)
    assert sorted(toy.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("[]", "holds a JSON list"),
        (100_000 * "[", "is nested too deeply"),
        ({"seed": "x"}, r"is damaged \(seed is x\)"),
        ({"num_features": 0}, r"is damaged \(num_features is 0\)"),
        ({"symbols": {}}, r"is damaged \(symbols is {}\)"),
        ({"scale": [1.0]}, r"is damaged \(scale has 1 values for 6 features\)"),
        ({"settings": {"model": {"window_size": 0}}}, r"model.json: \[model\] window_size = 0: must be"),
        ({"settings": []}, r"is damaged \(settings is \[\]\)"),
        ({"num_features": 7, "scale": []}, "the weights do not fit the settings in model.json; restore it"),
        ({"format": 9}, "its format is not 1"),
        ({"colour": 9}, r"is damaged \(.*colour"),
    ],
)
def test_a_description_of_the_wrong_form_is_one_line(tmp_path, toy, settings, edit, message):
    run(toy, tmp_path / "m", settings.updated({"training": {"num_epochs": 1}}))
    path = tmp_path / "m" / "model.json"
    path.write_text(edit if isinstance(edit, str) else json.dumps(json.loads(path.read_text()) | edit))
    with pytest.raises(UserError, match=message):
        load_model(tmp_path / "m")


def test_a_new_training_logs_the_size_of_its_layers_and_rows_that_cannot_learn(tmp_path, toy, settings, log):
    once = settings.updated(
        {"training": {"num_epochs": 1}, "model": {"window_size": 2, "convolutional_kernel_time": 6}}
    )
    for _ in range(2):  # the second finds a training, and adds nothing
        run(toy, tmp_path / "m", once)
    cost = "convolutions: 38 weights, 14 of them live; 54 multiply-adds per frame"
    first, batches, second = lines(log, logging.INFO)
    assert (first, second) == (f"{tmp_path / 'm'}: {cost}", f"{tmp_path / 'm'}: resumes after epoch 1")
    assert batches.startswith(f"{toy}/train: 3 updates per epoch, of 3 to 4 utterances; ")
    (warning,) = lines(log, logging.WARNING)
    assert warning.startswith(f"{tmp_path / 'm'}: [model] 4 of 6 kernel rows of layer 1 meet no frame of its 2-frame ")
    assert warning.endswith("no output compares three ratios: take window_size >= 5")


def test_a_second_training_in_a_folder_waits_for_the_first(tmp_path, toy, settings, log):
    (tmp_path / "m").mkdir()
    first = FolderLock(tmp_path / "m")
    with ThreadPoolExecutor() as pool:
        with first:
            second = pool.submit(run, toy, tmp_path / "m", settings.updated({"training": {"num_epochs": 1}}))
            waiting = f"{tmp_path / 'm'}: another process trains here; waiting for it to end"
            while waiting not in log.messages:
                assert not second.done()
                time.sleep(0.01)
        assert len(second.result(60).records) == 1


@pytest.mark.slow
@pytest.mark.parametrize("decay", [0, 0.9])
def test_a_training_on_any_device_is_resumed_within_an_epoch_and_decoded(tmp_path, toy, settings, device, decay):
    settings = settings.updated({"training": {"weight_averaging_decay": decay}})
    whole, begun = tmp_path / "whole", tmp_path / "begun"
    expected = run(toy, whole, settings, device=device)
    asked = iter([False] * 2)
    with pytest.raises(TrainingInterrupted, match="saved after batch 2 of 3 of epoch 1"):
        run(toy, begun, settings, device=device, stop=lambda: next(asked, True))
    found = run(toy, begun, settings, device=device)
    assert [record.epoch for record in found.records] == [1, 2, 3, 4]
    for one, other in zip(found.records, expected.records, strict=True):
        if device != "cuda":  # where sums of many numbers have no fixed order
            assert (one.train_loss, one.dev_per_percent) == (other.train_loss, other.dev_per_percent)
        assert one.num_not_finite == 0
    assert device == "cuda" or same(weights(whole), weights(begun))


def test_averaged_weights_are_evaluated_and_kept_and_do_not_change_the_training(tmp_path, toy, settings):
    plain = run(toy, tmp_path / "plain", settings)
    averaged = run(toy, tmp_path / "averaged", settings.updated({"training": {"weight_averaging_decay": 0.5}}))
    assert [record.train_loss for record in averaged.records] == [record.train_loss for record in plain.records]
    kept = weights(tmp_path / "averaged", 4)
    assert not same(kept, weights(tmp_path / "plain", 4))
    model, description = load_model(tmp_path / "averaged", epoch=4)
    percent = partition_error_rate(model, read_partition(toy / "dev"), description.symbols).percent
    assert percent == averaged.records[3].dev_per_percent
    state = torch.load(tmp_path / "averaged" / "optim_004.pt", weights_only=True)
    assert same(state["average"]["model"], weights(tmp_path / "plain", 4))


def test_the_weights_of_the_best_epochs_are_averaged(tmp_path, toy, settings):
    result = run(toy, tmp_path / "m", settings.updated({"training": {"keep_last_and_best_only": False}}))
    percents = {record.epoch: record.dev_per_percent for record in result.records}
    best = sorted(sorted(percents, key=lambda epoch: percents[epoch])[:3])
    model, _ = load_model(tmp_path / "m", epoch=BestEpochs(3))
    states = [weights(tmp_path / "m", epoch) for epoch in best]
    for name, found in model.state_dict().items():
        torch.testing.assert_close(found, torch.stack([state[name] for state in states]).mean(0))
    one, _ = load_model(tmp_path / "m", epoch=BestEpochs(1))
    assert same(one.state_dict(), load_model(tmp_path / "m")[0].state_dict())
    with pytest.raises(DataError, match="m: best5: fewer epochs were trained .4."):
        load_model(tmp_path / "m", epoch=BestEpochs(5))


def test_best_epochs_that_were_not_kept_are_named(tmp_path, toy, settings):
    run(toy, tmp_path / "m", settings)
    missing = sorted({1, 2, 3, 4} - set(checkpoint_store(tmp_path / "m", read_description(tmp_path / "m")).epochs))
    assert missing
    named = f"best4: the weights of epoch {', '.join(map(str, missing))} are not kept; train with .training. keep_last"
    with pytest.raises(DataError, match=named):
        load_model(tmp_path / "m", epoch=BestEpochs(4))
