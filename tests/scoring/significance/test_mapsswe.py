"""Matched pairs test: compared with NIST's sc_stats, and segments by hand."""

import math
import random
import re
import subprocess
from pathlib import Path

import pytest

from cnn_mellin.formats.transcripts import write_trn
from cnn_mellin.scoring.significance.mapsswe import mapsswe

Transcripts = dict[str, list[str]]


def corrupted(references: Transcripts, rate: float, rng: random.Random) -> Transcripts:
    hypotheses: Transcripts = {}
    for name, reference in references.items():
        hypothesis: list[str] = []
        for phone in reference:
            if rng.random() > rate / 3:
                hypothesis.append(rng.choice(reference) if rng.random() < rate else phone)
            if rng.random() < rate / 3:
                hypothesis.append(rng.choice(reference))
        hypotheses[name] = hypothesis
    return hypotheses


@pytest.mark.parametrize("seed", range(4))
def test_result_is_that_of_sc_stats(sclite: list[str], sc_stats: list[str], tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    phones = [f"p{i}" for i in range(20)]
    references = {f"s{i % 5}-u{i:02}": rng.choices(phones, k=rng.randint(1, 50)) for i in range(60)}
    first, second = (corrupted(references, rate, rng) for rate in (0.24, 0.2))
    for name, transcripts in (("ref", references), ("first", first), ("second", second)):
        write_trn(tmp_path / name, transcripts)
    command = [*sclite, "-r", "ref", "trn", "-h", "first", "trn", "-h", "second", "trn", "-i", "spu_id", "-o", "sgml"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    alignments = (tmp_path / "first.sgml").read_bytes() + (tmp_path / "second.sgml").read_bytes()
    command = [*sc_stats, "-p", "-t", "mapsswe", "-v", "-n", "out"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, input=alignments)
    report = (tmp_path / "out.stats.mapsswe").read_text(errors="replace")
    found = re.search(r"# segs: (\d+)\).*\(mean: (\S+)\) \(std dev: (\S+)\) \(Z Stat: (\S+)\)", report)
    assert found
    # sc_stats subtracts the second's errors from the first's
    ours = mapsswe(references, second, first)
    assert ours.num_segments == int(found[1])
    assert [ours.mean, ours.sd, ours.z] == pytest.approx([float(found[i]) for i in (2, 3, 4)], abs=6e-4)


def test_segments_by_hand() -> None:
    references = {"u": list("abcdefgh"), "v": list("ab")}
    first = {"u": list("xbcdefg"), "v": list("ab")}  # a wrong, h missed
    second = {"u": list("abcxxefgh"), "v": []}  # d wrong and one more, a and b missed
    # a | d x | h | a b: b c and e f g separate the first three
    result = mapsswe(references, first, second)
    differences = [-1, 2, -1, 2]
    assert result.num_segments == 4
    assert result.mean == 0.5
    assert result.sd == pytest.approx(math.sqrt(3))
    assert result.z == pytest.approx(sum(differences) / 4 / (math.sqrt(3) / 2))
    assert result.p_value == pytest.approx(math.erfc(result.z / math.sqrt(2)))


def test_one_right_phone_does_not_separate_segments() -> None:
    assert mapsswe({"u": list("abc")}, {"u": list("xbx")}, {"u": list("abc")}).num_segments == 1
    assert mapsswe({"u": list("abbc")}, {"u": list("xbbx")}, {"u": list("abbc")}).num_segments == 2


def test_conventions_decide_what_is_an_error() -> None:
    references, first, second = {"u": ["sil", "sil", "t"]}, {"u": ["t"]}, {"u": ["sil", "t"]}
    assert mapsswe(references, first, second).mean == -1
    assert mapsswe(references, first, second, "merge-sil").mean == -1
    assert mapsswe(references, second, second, "merge-sil").num_segments == 0
    assert mapsswe(references, first, second, "optional-sil").num_segments == 0


def test_without_difference_or_spread() -> None:
    same = mapsswe({"u": ["t"]}, {"u": ["d"]}, {"u": ["d"]})
    assert (same.num_segments, same.z, same.p_value) == (1, 0.0, 1.0)
    references = {"u": ["t"], "v": ["t"]}
    always = mapsswe(references, {"u": ["d"], "v": ["d"]}, references)
    assert (always.z, always.p_value) == (-math.inf, 0.0)
