"""Alignment: compared with sclite, with a simple slow version, and checked by laws."""

import functools
import random
import re
import subprocess
from pathlib import Path

import pytest

from cnn_mellin.scoring.alignment import align


def random_pair(rng: random.Random) -> tuple[list[str], list[str]]:
    symbols = "abcdefgh"[: rng.choice([2, 3, 5, 8])]
    reference = rng.choices(symbols, k=rng.randint(1, 25))
    hypothesis: list[str] = []
    for symbol in reference:
        if rng.random() < 0.8:
            hypothesis.append(symbol if rng.random() < 0.75 else rng.choice(symbols))
        while rng.random() < 0.2:
            hypothesis.append(rng.choice(symbols))
    if rng.random() < 0.2:
        hypothesis = rng.choices(symbols, k=rng.randint(0, 25))
    return reference, hypothesis


def split(pairs: list[tuple[str | None, str | None]], optional: str | None = None) -> tuple[int, int, int]:
    substitutions = sum(None not in (r, h) and r != h for r, h in pairs)
    deletions = sum(h is None and r != optional for r, h in pairs)
    return substitutions, deletions, sum(r is None for r, _ in pairs)


def lowest_weight(reference: tuple[str, ...], hypothesis: tuple[str, ...], optional: str | None) -> int:
    @functools.cache
    def weight(i: int, j: int) -> int:
        ways = []
        if i:
            ways.append(weight(i - 1, j) + (2 if reference[i - 1] == optional else 3))
        if j:
            ways.append(weight(i, j - 1) + 3)
        if i and j:
            ways.append(weight(i - 1, j - 1) + (0 if reference[i - 1] == hypothesis[j - 1] else 4))
        return min(ways, default=0)

    return weight(len(reference), len(hypothesis))


@pytest.mark.parametrize("optional", [None, "a"])
def test_alignment_keeps_both_sides_and_has_the_lowest_weight(optional: str | None) -> None:
    rng = random.Random(3)
    for _ in range(200):
        reference, hypothesis = random_pair(rng)
        pairs = align(reference, hypothesis, optional=optional)
        assert [r for r, _ in pairs if r is not None] == reference
        assert [h for _, h in pairs if h is not None] == hypothesis
        weight = sum(
            0 if r == h else 3 if r is None else (2 if r == optional else 3) if h is None else 4 for r, h in pairs
        )
        assert weight == lowest_weight(tuple(reference), tuple(hypothesis), optional)


@pytest.mark.parametrize("optional", [None, "a"])
def test_errors_and_their_split_are_those_of_sclite(sclite: list[str], tmp_path: Path, optional: str | None) -> None:
    rng = random.Random(4)
    pairs = [random_pair(rng) for _ in range(500)]
    for name, side in (("ref", 0), ("hyp", 1)):
        lines = []
        for i, pair in enumerate(pairs):
            symbols = [f"({s})" if s == optional and name == "ref" else s for s in pair[side]]
            lines.append(" ".join([*symbols, f"(u-{i})\n"]))
        (tmp_path / name).write_text("".join(lines))
    command = [*sclite, *(["-D"] if optional else []), "-r", "ref", "trn", "-h", "hyp", "trn", "-i", "spu_id"]
    subprocess.run([*command, "-o", "pralign"], cwd=tmp_path, check=True, capture_output=True)
    report = (tmp_path / "hyp.pra").read_text()
    pattern = r"id: \(u-(\d+)\)\s*Scores: \(#C #S #D #I\) \d+ (\d+) (\d+) (\d+)"
    theirs = {int(i): (int(s), int(d), int(n)) for i, s, d, n in re.findall(pattern, report)}
    assert theirs == {i: split(align(*pair, optional=optional), optional) for i, pair in enumerate(pairs)}


def test_alignment_of_empty_sequences() -> None:
    assert align([], []) == []
    assert align(["a"], []) == [("a", None)]
    assert align([], ["a"]) == [(None, "a")]


def test_equal_sequences_have_no_error() -> None:
    reference = list("abacadabra")
    assert align(reference, reference) == list(zip(reference, reference, strict=True))


def test_matches_are_worth_insertions_and_deletions() -> None:
    assert split(align(list("xyzab"), list("abxyz"))) == (0, 2, 2)
    assert split(align(list("abc"), list("bcd"))) == (0, 1, 1)
    assert split(align(list("ab"), list("bc"))) == (0, 1, 1)
    assert split(align(["a"], ["b"])) == (1, 0, 0)
