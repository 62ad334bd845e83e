import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def code_of(path: Path) -> str:
    """A notebook as a program: its lines for the shell are run by the shell, and a failure of one ends it."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    lines = ["import subprocess as _s"]
    for cell in cells:
        if cell["cell_type"] == "code":
            lines += "".join(cell["source"]).splitlines()
    return "\n".join(
        f"_s.run({line[1:]!r}, shell=True, check=True)" if line.startswith("!") else line for line in lines
    )


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(path, tmp_path, cnn_mellin_command):
    if "IPython" in code_of(path):
        (tmp_path / "IPython").mkdir()
        (tmp_path / "IPython" / "display.py").write_text("def Image(path, width): open(path, 'rb').close()\n")
    paths = os.pathsep.join([str(cnn_mellin_command), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": paths, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code_of(path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_what_its_cells_printed(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in cells if cell["cell_type"] == "code" for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
