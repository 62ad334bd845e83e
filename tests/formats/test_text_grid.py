import re

import pytest

from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.text_grid import Interval, IntervalTier, Point, PointTier, read_text_grid, write_text_grid

LONG = '''\
File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = "ɛ ""x"""
        intervals [2]:
            xmin = 0.5
            xmax = 1
            text = ""
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 1
        points: size = 1
        points [1]:
            number = 0.25
            mark = "!"
'''
SHORT = '''\
File type = "ooTextFile"
"TextGrid"

0
1 ! a remark with "marks" and 3 numbers
<exists>
2
"IntervalTier" "phones" 0 1 2
0 0.5 "ɛ ""x"""
0.5 1 ""
"TextTier"
"clicks"
0 1 1
25e-2 "!"
'''


def read(tmp_path, content, encoding="utf-8"):
    (tmp_path / "a.TextGrid").write_text(content, encoding=encoding)
    return read_text_grid(tmp_path / "a.TextGrid")


@pytest.mark.parametrize("content", [LONG, SHORT, SHORT.replace('"ooTextFile"', '"ooTextFile short"')])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_both_forms_are_read_in_both_encodings(tmp_path, content, encoding):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    grid = read(tmp_path, mark + content, encoding)
    phones, clicks = grid.tiers
    assert isinstance(phones, IntervalTier)
    assert isinstance(clicks, PointTier)
    assert (grid.start_s, grid.end_s, phones.name, clicks.name) == (0, 1, "phones", "clicks")
    assert [(i.start_s, i.end_s, i.text) for i in phones.intervals] == [(0, 0.5, 'ɛ "x"'), (0.5, 1, "")]
    assert [(p.time_s, p.text) for p in clicks.points] == [(0.25, "!")]


def test_labels_know_their_lines(tmp_path):
    grid = read(tmp_path, LONG.replace("\n", "\r\n"))
    assert [i.line for i in grid.interval_tier("phones").intervals] == [18, 22]
    assert grid.tiers[1] == PointTier("clicks", (Point(0.25, "!", 31),))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ooTextFile", "ooBinaryFile", "TextGrid:2: is of type 'ooBinaryFile' and class 'TextGrid'; expected"),
        ('"TextGrid"', '"PitchTier"', "TextGrid:2: is of type 'ooTextFile' and class 'PitchTier'"),
        (LONG, "", "TextGrid:1: ends before the first line 'File type"),
        (LONG, "phones of mary\n", "TextGrid:1: ends before the first line 'File type"),
        ("<exists>", "<absent>", "TextGrid:6: has no tiers"),
        ("size = 2\nitem", "size = 2.5\nitem", "TextGrid:7: the number of tiers is 2.5; it must be a whole number"),
        ("size = 2\nitem", "size = 1e9\nitem", "TextGrid:7: the number of tiers is 1e"),
        ("IntervalTier", "Tier", "TextGrid:10: tier 1 has class 'Tier'; expected 'IntervalTier' or 'TextTier'"),
        ("xmax = 0.5", "xmax = 0.7", "TextGrid:21: interval 2 of tier 'phones' starts at 0.5 s, before the previous"),
        ("xmin = 0.5", "xmin = 2", "TextGrid:21: interval 2 of tier 'phones' lasts from 2 to 1 s; it must be"),
        ("xmax = 0.5", "xmax = 1e999", "TextGrid:17: the end of interval 1 of tier 'phones' is not finite"),
        ("xmax = 0.5", "xmax = half", "TextGrid:18: holds text 'ɛ .*'; expected the end of interval 1 of tier"),
        ("intervals: size = 2", "intervals: size = 3", "TextGrid:24: holds text 'TextTier'; expected the start of"),
        (LONG[LONG.index("    item [2]") :], "", "TextGrid:22: ends before the class of tier 2; the file is cut short"),
        ('text = ""\n', 'text = "\n', "TextGrid:21: ends before the text of interval 2 of tier 'phones'"),
        ("number = 0.25", "number = ", "TextGrid:31: holds text '!'; expected the time of point 1 of tier 'clicks'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, old, new, message):
    assert old in LONG
    with pytest.raises(CorpusError, match=message):
        read(tmp_path, LONG.replace(old, new, 1))


def test_files_that_are_not_text_are_refused(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(b"ooBinaryFile\x08TextGrid\0\0\0\xff")
    with pytest.raises(CorpusError, match="a.TextGrid: is a binary TextGrid; save it as text in Praat"):
        read_text_grid(path)
    path.write_bytes(LONG.encode("latin-1", "replace").replace(b"?", b"\xe9"))
    with pytest.raises(CorpusError, match="TextGrid:6: is not UTF-8 text"):
        read_text_grid(path)
    path.write_bytes(LONG.encode("utf-16")[:-1])
    with pytest.raises(CorpusError, match="is not whole UTF-16 text .*; save it again"):
        read_text_grid(path)
    with pytest.raises(CorpusError, match="none.TextGrid: does not exist"):
        read_text_grid(tmp_path / "none.TextGrid")


def test_a_tier_is_found_by_its_name(tmp_path):
    grid = read(tmp_path, LONG)
    assert grid.interval_tier("phones") is grid.tiers[0]
    with pytest.raises(CorpusError, match="has no tier 'words'; its tiers of intervals are 'phones'"):
        grid.interval_tier("words")
    with pytest.raises(CorpusError, match="tier 'clicks' holds points; name a tier of intervals"):
        grid.interval_tier("clicks")
    twice = LONG.replace('"TextTier"', '"IntervalTier"').replace("clicks", "phones").replace("0.25", "0.25 1")
    with pytest.raises(CorpusError, match="has 2 tiers named 'phones'; rename all but one"):
        read(tmp_path, twice).interval_tier("phones")


TIERS = [
    IntervalTier("phones", (Interval(0.1, 1 / 3, 'a "b"'), Interval(1 / 3, 0.5, "x = 1 [2]:"), Interval(0.75, 2, "ʔ"))),
    IntervalTier("with \"marks\" and 'others'", ()),
]
SPANS: list[list[tuple[float, float, str]]] = [
    [(0, 0.1, ""), (0.1, 1 / 3, 'a "b"'), (1 / 3, 0.5, "x = 1 [2]:"), (0.5, 0.75, ""), (0.75, 2, "ʔ")],
    [(0, 2, "")],
]


def test_what_is_written_is_read_unchanged(tmp_path):
    write_text_grid(tmp_path / "a.TextGrid", 2.0, TIERS)
    grid = read_text_grid(tmp_path / "a.TextGrid")
    assert [tier.name for tier in grid.tiers] == [tier.name for tier in TIERS]
    assert [[(i.start_s, i.end_s, i.text) for i in grid.interval_tier(tier.name).intervals] for tier in TIERS] == SPANS


@pytest.mark.parametrize("spans", [[(0.5, 0.4)], [(0, 0.5), (0.4, 1)], [(0, 1.5)], [(-1, 1)], [(float("nan"), 1)]])
def test_faulty_times_are_not_written(tmp_path, spans):
    tier = IntervalTier("phones", tuple(Interval(start, end, "a") for start, end in spans))
    with pytest.raises(ValueError, match=r"tier 'phones': 'a' lasts .*; intervals must not overlap"):
        write_text_grid(tmp_path / "a.TextGrid", 1.0, [tier])
    with pytest.raises(ValueError, match="tiers is empty"):
        write_text_grid(tmp_path / "a.TextGrid", 1.0, [])
    assert not list(tmp_path.iterdir())


def test_praatio_reads_what_is_written(tmp_path):
    textgrid = pytest.importorskip("praatio.textgrid", reason="praatio is not installed")
    write_text_grid(tmp_path / "a.TextGrid", 2.0, TIERS)
    found = textgrid.openTextgrid(str(tmp_path / "a.TextGrid"), includeEmptyIntervals=True)
    assert [[tuple(entry) for entry in tier.entries] for tier in found.tiers] == SPANS
    assert list(found.tierNames) == [tier.name for tier in TIERS]


@pytest.mark.parametrize("form", ["short_textgrid", "long_textgrid"])
def test_files_of_praatio_are_read(tmp_path, form):
    textgrid = pytest.importorskip("praatio.textgrid", reason="praatio is not installed")
    written = textgrid.Textgrid(minTimestamp=0, maxTimestamp=2)
    for tier, spans in zip(TIERS, SPANS, strict=True):
        written.addTier(textgrid.IntervalTier(tier.name, spans, 0, 2))
    written.addTier(textgrid.PointTier("points", [(0.25, 'a "mark"')], 0, 2))
    written.save(str(tmp_path / "a.TextGrid"), form, includeBlankSpaces=True)
    grid = read_text_grid(tmp_path / "a.TextGrid")
    assert [[(i.start_s, i.end_s, i.text) for i in grid.interval_tier(tier.name).intervals] for tier in TIERS] == SPANS
    points = grid.tiers[2]
    assert isinstance(points, PointTier)
    assert [(p.time_s, p.text) for p in points.points] == [(0.25, 'a "mark"')]


@pytest.mark.parametrize("command", ["Save as text file...", "Save as short text file..."])
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16"])
def test_files_of_praat_are_read(tmp_path, command, encoding):
    parselmouth = pytest.importorskip("parselmouth", reason="parselmouth (Praat as a module) is not installed")
    parselmouth.praat.call("Text writing preferences...", encoding)
    written = parselmouth.TextGrid(0.0, 2.0, "phones points", "points")
    for boundary in (0.1, 1 / 3):
        parselmouth.praat.call(written, "Insert boundary...", 1, boundary)
    parselmouth.praat.call(written, "Set interval text...", 1, 2, 'ɛ "x"')
    parselmouth.praat.call(written, "Insert point...", 2, 0.25, "here")
    parselmouth.praat.call(written, command, str(tmp_path / "a.TextGrid"))
    assert (tmp_path / "a.TextGrid").read_bytes().startswith(b"\xfe\xff") == (encoding == "UTF-16")
    grid = read_text_grid(tmp_path / "a.TextGrid")
    spans = [(i.start_s, i.end_s, i.text) for i in grid.interval_tier("phones").intervals]
    assert spans == [(0, 0.1, ""), (0.1, 1 / 3, 'ɛ "x"'), (1 / 3, 2, "")]
    parselmouth.praat.call(written, "Save as binary file...", str(tmp_path / "b.TextGrid"))
    with pytest.raises(CorpusError, match="is a binary TextGrid"):
        read_text_grid(tmp_path / "b.TextGrid")


def test_praat_reads_what_is_written(tmp_path):
    parselmouth = pytest.importorskip("parselmouth", reason="parselmouth (Praat as a module) is not installed")
    write_text_grid(tmp_path / "a.TextGrid", 2.0, TIERS)
    grid = parselmouth.read(str(tmp_path / "a.TextGrid"))
    call = parselmouth.praat.call
    for number, spans in enumerate(SPANS, 1):
        assert call(grid, "Get number of intervals", number) == len(spans)
        for i, (start, end, text) in enumerate(spans, 1):
            assert call(grid, "Get start time of interval", number, i) == start
            assert call(grid, "Get end time of interval", number, i) == end
            assert call(grid, "Get label of interval", number, i) == text
    assert re.fullmatch(r"with .marks. and 'others'", call(grid, "Get tier name", 2))
