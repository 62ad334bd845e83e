import pytest

from cnn_mellin.scoring.text_table import TableFormat, format_table

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


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="rows hold 1 cells; each must have 2"):
        format_table(HEADER, [["a"]])
    with pytest.raises(ValueError, match="table_format is 'html'; it must be text, csv, markdown or latex"):
        format_table(HEADER, ROWS, "html")  # type: ignore[arg-type]
