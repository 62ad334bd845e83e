"""`cnn-mellin prep timit` on trees of TIMIT's size and shape: counts, copies in other forms, damage, and kills."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cnn_mellin.cli.main import main
from cnn_mellin.data.partition import read_partition
from cnn_mellin.formats.transcripts import read_trn

COUNTS = {"train": 3696, "dev": 400, "test": 192}


def prepare(corpus: Path, data: Path, *options: str) -> int:
    return main(["--quiet", "prep", "timit", str(corpus), str(data), *options])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.soak
def test_full_size_with_every_count_and_the_same_bytes_in_every_form(tmp_path, full_timit, synthetic_timit, capsys):
    assert prepare(full_timit, tmp_path / "data") == 0
    printed = capsys.readouterr().out
    data = tmp_path / "data" / "fbank-81-10ms"
    for part, count in COUNTS.items():
        partition = read_partition(data / part)
        assert f"{data / part}: {count} utterances, {10 * count} frames, prepared\n" in printed
        assert len(partition) == count
        assert partition.num_frames.tolist() == [10] * count
        assert read_trn(data / "ext" / f"{part}.ref.trn").keys() == set(partition.utterance_ids)
        assert not any("-sa" in name for name in partition.utterance_ids)
    assert sum(map(len, read_trn(data / "ext" / "test.ref.trn").values())) == 7215
    speakers = dict(line.split() for line in (data / "ext" / "utt2spk").read_text().splitlines())
    assert len(speakers) == sum(COUNTS.values())
    assert len(set(speakers.values())) == 462 + 50 + 24
    other = synthetic_timit(tmp_path / "other", full=True, lower=True, riff=True, deeper=True)
    assert prepare(other, tmp_path / "again") == 0
    assert contents(tmp_path / "data") == contents(tmp_path / "again")
    capsys.readouterr()
    assert prepare(other, tmp_path / "data") == 0
    assert capsys.readouterr().out.count(" frames, unchanged\n") == 3


def _home(corpus: Path) -> Path:
    return next(corpus.glob("TEST/*/FDHC0"))


def _first(corpus: Path, suffix: str) -> Path:
    return min(_home(corpus).glob(f"SX*.{suffix}"))


def _remove(*suffixes: str) -> Callable[[Path], None]:
    def damage(corpus: Path) -> None:
        for suffix in suffixes:
            _first(corpus, suffix).unlink()

    return damage


def _rewrite(suffix: str, edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(corpus: Path) -> None:
        path = _first(corpus, suffix)
        path.write_bytes(edit(path.read_bytes()))

    return damage


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "one utterance removed": (
        _remove("WAV", "PHN", "TXT", "WRD"),
        "is not a whole TIMIT: it has 6299 utterances, not 6300",
    ),
    "audio removed": (_remove("WAV"), ".WAV is missing beside"),
    "labels removed": (_remove("PHN"), ".PHN is missing beside"),
    "speaker removed": (lambda corpus: shutil.rmtree(_home(corpus)), "it has 629 speakers, not 630; 167 test speakers"),
    "speaker doubled": (
        lambda corpus: shutil.copytree(_home(corpus), corpus / "TRAIN" / "DR1" / "FDHC0"),
        "duplicate speaker fdhc0",
    ),
    "labels doubled": (
        lambda corpus: shutil.copy(path := _first(corpus, "PHN"), path.with_name(path.name.lower())),
        ".PHN; delete one of them",
    ),
    "audio cut": (
        _rewrite("WAV", lambda content: content[:-2]),
        "promises 1600 samples, but it holds 1599; copy it again",
    ),
    "audio emptied": (_rewrite("WAV", lambda content: b""), ".WAV: is empty (0 bytes)"),
    "audio overwritten": (_rewrite("WAV", lambda content: b"\0" * len(content)), ".WAV: is not an audio file"),
    "labels cut": (_rewrite("PHN", lambda content: content[:-4]), ".PHN:"),
    "label unknown": (
        _rewrite("PHN", lambda content: content.replace(b"h#", b"hh#", 1)),
        "not one of TIMIT's 61 phones",
    ),
    "text emptied": (_rewrite("TXT", lambda content: b""), ".TXT: is empty"),
    "words not text": (_rewrite("WRD", lambda content: b"\xff" + content), ".WRD:1: is not UTF-8 text (byte 0xff)"),
}
IN_EVERY_RUN = ("audio cut", "labels removed", "words not text")


# Each prepares a corpus of full size; tests/corpora/test_timit.py has such faults in small ones.
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.slow if kind in IN_EVERY_RUN else pytest.mark.soak) for kind in DAMAGES],
)
def test_any_damaged_file_is_named_in_one_line(tmp_path, full_timit, capsys, kind):
    home = _home(full_timit)
    shutil.copytree(home, tmp_path / "whole")
    damage, message = DAMAGES[kind]
    try:
        damage(full_timit)
        assert prepare(full_timit, tmp_path / "data") == 2
    finally:
        for folder in full_timit.glob("*/*/FDHC0"):
            shutil.rmtree(folder)
        shutil.copytree(tmp_path / "whole", home)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert "FDHC0" in printed.err.upper() or "is not a whole TIMIT" in printed.err
    # What was complete before the fault may stay; what exists is complete.
    assert not (tmp_path / "data" / "fbank-81-10ms" / "test").exists()
    assert not list(tmp_path.glob("data/**/.*"))


def _killed_when(command: list[str], reached: Callable[[], bool]) -> bool:
    """Run a command and kill it when a condition holds; false if the command ended first."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if reached():
                process.send_signal(signal.SIGKILL)
                return process.wait() == -signal.SIGKILL
            time.sleep(0.001)
    return False


@pytest.mark.soak
def test_a_preparation_killed_at_several_moments_ends_with_the_same_bytes(tmp_path, synthetic_timit):
    corpus, data = synthetic_timit(tmp_path / "corpus", num_samples=60000), tmp_path / "data"
    features = ["sigbank-41-2ms", "fbank-81-10ms"]
    command = [sys.executable, "-m", "cnn_mellin.cli.main", "--quiet", "prep", "timit", str(corpus), str(data)]
    command += ["--partial", "--jobs", "1", "--features", *features]

    def begun(part: str, num_bytes: int) -> bool:
        found = (data / features[0]).glob(f".{part}.*.partial/features.npy")
        return any(path.stat().st_size > num_bytes for path in found)

    def stale_ext() -> bool:
        return (data / features[1] / "ext" / "utt2spk").exists()

    moments: list[Callable[[], bool]] = [
        lambda: data.exists(),
        lambda: begun("train", 1_000_000),
        lambda: (data / features[0] / "train").exists(),
        lambda: begun("test", 100_000),
        stale_ext,
    ]
    killed = [_killed_when(command, reached) for reached in moments]
    assert killed[:4] == [True] * 4  # the last moment is short and may be missed
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert prepare(corpus, tmp_path / "whole", "--partial", "--features", *features) == 0
    assert contents(data) == contents(tmp_path / "whole")
    assert {path.name for path in (data / features[0]).iterdir()} == {"train", "dev", "test", "ext"}


@pytest.mark.slow
def test_an_old_partition_survives_a_kill_during_its_replacement(tmp_path, synthetic_timit):
    corpus, data = synthetic_timit(tmp_path / "corpus"), tmp_path / "data"
    assert prepare(corpus, data, "--partial", "--features", "raw") == 0
    before = contents(data / "raw" / "train")
    audio = next(corpus.glob("TRAIN/*/*/SX*.WAV"))
    audio.write_bytes(audio.read_bytes()[:-4000] + np.zeros(2000, np.int16).tobytes())
    command = [sys.executable, "-m", "cnn_mellin.cli.main", "--quiet", "prep", "timit", str(corpus), str(data)]
    command += ["--partial", "--features", "raw"]
    assert _killed_when(command, lambda: any((data / "raw").glob(".train.*.partial")))
    read_partition(data / "raw" / "train")  # old or new, but complete
    assert prepare(corpus, data, "--partial", "--features", "raw") == 0
    assert contents(data / "raw" / "train") != before
    assert not list(data.rglob(".*.partial"))
