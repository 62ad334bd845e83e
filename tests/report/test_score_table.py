import csv
import io
import json

import pytest

from cnn_mellin.report.score_table import ScoredFile, score_text
from cnn_mellin.scoring import phone_error_rate

REFERENCES = {"x-1": "sil ah b t sil".split(), "y-1": "sil iy sil".split(), "z-1": []}
HYPOTHESES = {"x-1": "sil ah d t t sil".split(), "y-1": [], "z-1": ["ah"]}


@pytest.fixture
def scored() -> list[ScoredFile]:
    files = []
    for convention in ("kaldi", "optional-sil"):
        result = phone_error_rate(REFERENCES, HYPOTHESES, convention)
        speakers = result.by_speaker({name: f"{name[0]}_1" for name in REFERENCES})
        rows = [("total", "", result.total), *(("speaker", *item) for item in speakers.items())]
        files.append(ScoredFile("hyp.trn", result, rows))
    return files


def test_text_names_empty_transcripts(scored: list[ScoredFile]) -> None:
    lines = score_text(scored, worst=2).splitlines()
    assert lines[0] == "hyp.trn (kaldi, 3 utterances)"
    assert lines[2].split() == ["total", "75.00", "8", "1", "3", "2"]
    assert [line.split()[:2] for line in lines[3:6]] == [["x_1", "40.00"], ["y_1", "100.00"], ["z_1", "inf"]]
    assert lines[6:10] == [
        "  nothing recognised in 1 utterances: y-1",
        "  no reference in 1 utterances: z-1",
        "  recognised, but in no reference: d 1 times",
        "  worst: sil > (del) 2, (ins) > ah 1",
    ]
    assert lines[10] == "hyp.trn (optional-sil, 3 utterances)"


def test_csv_is_a_table_of_rates_and_one_of_pairs(scored: list[ScoredFile]) -> None:
    rates, pairs = (
        list(csv.DictReader(io.StringIO(table))) for table in score_text(scored, "csv", with_matrix=True).split("\n\n")
    )
    assert len(rates) == 8
    assert rates[0]["percent"] == "75.0"
    assert (rates[3]["name"], rates[3]["percent"], rates[3]["insertions"]) == ("z_1", "inf", "1")
    kaldi = {(row["reference"], row["recognised"]): int(row["count"]) for row in pairs if row["convention"] == "kaldi"}
    assert kaldi == {(r or "", h or ""): count for (r, h), count in scored[0].result.pairs.items()}
    assert score_text(scored, "csv") == score_text(scored, "csv", with_matrix=True).split("\n\n")[0]


def test_json_holds_everything_and_no_infinity(scored: list[ScoredFile]) -> None:
    first, second = json.loads(score_text(scored, "json", worst=1, with_matrix=True))
    assert (first["convention"], second["convention"]) == ("kaldi", "optional-sil")
    assert first["rates"][0] == {
        "group": "total",
        "name": "",
        "percent": 75.0,
        "phones": 8,
        "substitutions": 1,
        "deletions": 3,
        "insertions": 2,
    }
    assert first["rates"][3]["percent"] is None
    assert first["worst_confusions"] == [["sil", None, 2]]
    assert (first["empty_hypotheses"], first["empty_references"], first["unseen_symbols"]) == (
        ["y-1"],
        ["z-1"],
        {"d": 1},
    )
    phones, counts = first["confusion_matrix"]["phones"], first["confusion_matrix"]["counts"]
    for (reference, recognised), count in scored[0].result.pairs.items():
        assert counts[phones.index(reference)][phones.index(recognised)] == count
    assert sum(map(sum, counts)) == 10
    assert "confusion_matrix" not in json.loads(score_text(scored, "json"))[0]


@pytest.mark.parametrize("text_format", ["latex", "markdown"])
def test_tables_for_papers_hold_the_same_figures(scored: list[ScoredFile], text_format: str) -> None:
    written = score_text(scored[:1], text_format, with_matrix=True)  # type: ignore[arg-type]
    remark, _, table = written.partition("\n\n")
    assert remark.endswith("hyp.trn (kaldi, 3 utterances)")
    end = " \\\\" if text_format == "latex" else " |"
    divider = " & " if text_format == "latex" else " | "
    rows = [line.removeprefix("| ").removesuffix(end).split(divider) for line in table.splitlines()]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert ["total", "75.00", "8", "1", "3", "2"] in cells
    assert ["x\\_1" if text_format == "latex" else "x_1", "40.00", "5", "1", "0", "1"] in cells
    assert ["reference", "ah", "b", "d", "iy", "sil", "t", "(del)"] in cells
    assert ["sil", ".", ".", ".", ".", "2", ".", "2"] in cells
    if text_format == "latex":  # everything except tables is a comment
        outside = [line for line in written.splitlines() if line and not line.startswith("%") and "&" not in line]
        assert set(outside) == {r"\hline", r"\begin{tabular}{lrrrrr}", r"\begin{tabular}{lrrrrrrr}", r"\end{tabular}"}
