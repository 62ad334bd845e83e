import pytest

from cnn_mellin.formats.text_table import TableFormat, format_table

HEADER, ROWS = ["system", "PER %"], [["a_b", "17.80"], ["longer, x", "9.1"]]


@pytest.mark.parametrize(
    ("table_format", "expected"),
    [
        ("text", "system     PER %\na_b        17.80\nlonger, x    9.1"),
        ("csv", 'system,PER %\na_b,17.80\n"longer, x",9.1'),
        ("markdown", "| system    | PER % |\n|-----------|------:|\n| a_b       | 17.80 |\n| longer, x |   9.1 |"),
        (
            "latex",
            "\\begin{tabular}{lr}\n\\hline\nsystem    & PER \\% \\\\\n\\hline\na\\_b      &  17.80 \\\\\n"
            "longer, x &    9.1 \\\\\n\\hline\n\\end{tabular}",
        ),
    ],
)
def test_formats(table_format: TableFormat, expected: str) -> None:
    assert format_table(HEADER, ROWS, table_format) == expected


def test_markup_in_cells_is_escaped() -> None:
    cells = [["<eps>", "a|b"], ["*", "&lt;"], ["_x_", "[l](u)\nnext"]]
    markdown = format_table(["symbol", "<script>"], cells, "markdown")
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in markdown.splitlines()[2:]]
    assert rows == [["&lt;eps>", r"a\|b"], [r"\*", "&amp;lt;"], [r"\_x\_", r"\[l\](u) next"]]
    assert "<script>" not in markdown


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-cmd", "'-cmd"),
        ("+a", "'+a"),
        ("\t=1", "'\t=1"),
        ("-2.50", "-2.50"),
        ("+1.20..+3.40", "+1.20..+3.40"),
        ("-1e-05", "-1e-05"),
        ("@", "@"),
        ("=", "="),
        ("a=b", "a=b"),
    ],
)
def test_csv_cells_do_not_run_as_formulas(cell: str, written: str) -> None:
    assert format_table(["x"], [[cell]], "csv") == f"x\n{written}"


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="a row has 1 cells; each must have 2"):
        format_table(HEADER, [["a"]])
    with pytest.raises(ValueError, match="table_format is 'html'; it must be text, csv, markdown or latex"):
        format_table(HEADER, ROWS, "html")  # type: ignore[arg-type]
