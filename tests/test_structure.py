"""The house: which package may import which, as CONTRIBUTING.md draws it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "cnn_mellin"

# Lowest first; a package imports only what stands on a lower floor. Modules beside the packages are the ground.
FLOORS: list[set[str]] = [
    {"ground", "ops", "testing"},
    {"audio", "formats", "layers"},
    {"config", "corpora", "features", "language_models", "scoring"},
    {"data", "models", "recipe"},
    {"decoding", "export"},
    {"training"},
    {"search"},
    {"report"},
    {"cli"},
]
PACKAGES = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))


def room(module: str) -> str:
    """Package of a dotted name below `cnn_mellin`, or `ground`."""
    first = module.split(".")[1] if "." in module else ""
    return first if first in PACKAGES else "cli" if first == "__main__" else "ground"


def imports(path: Path) -> list[tuple[int, str]]:
    """Line and dotted name of all that a file imports of this project, wherever in the file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "cnn_mellin":
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(node.lineno, node.module if room(name) == "ground" else name) for name in submodules]
        elif isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == "cnn_mellin"]
    return found


def test_every_package_has_a_floor_and_there_are_at_most_nine():
    assert sorted(set().union(*FLOORS) - {"ground"}) == PACKAGES
    assert len(FLOORS) <= 9


@pytest.mark.parametrize("package", ["ground", *PACKAGES])
def test_no_import_points_up(package):
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    files = SOURCE.glob("*.py") if package == "ground" else (SOURCE / package).rglob("*.py")
    upward = []
    for path in files:
        if path.name == "__main__.py":
            continue
        for line, module in imports(path):
            other = room(module)
            if other != package and floor[other] >= floor[package] and (package, other) != ("ground", "ground"):
                upward.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert not upward


def test_contributing_draws_the_same_house():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = re.search(r"```\n(cli.*?)```", text, re.DOTALL)
    assert block is not None
    drawn = [set(re.findall(r"[a-z_]+", line.partition("  ")[0])) for line in block[1].strip().splitlines()]
    ground = {"ground"}
    assert drawn == [names - ground for names in reversed(FLOORS)]


def strings(tree: ast.AST) -> list[tuple[int, str]]:
    """Line and text of the string constants of a syntax tree, with those inside f-strings."""
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [(node.lineno, node.value) for node in constants if isinstance(node.value, str)]


def test_only_the_command_line_names_its_options():
    found = []
    others = {"extras.py", "report/epoch_events.py"}  # options of pip and of tensorboard
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith("cli/") or name in others:
            continue
        trees: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
        if name.startswith("recipe/"):  # its steps are command lines; its errors may name only options of sbatch
            trees = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Raise)]
        lines = [found for tree in trees for found in strings(tree)]
        found += [
            f"{name}:{line}: {text}" for line, text in lines if re.search(r"(?<!\S)--(?!mem=|parsable)[a-z]", text)
        ]
    assert not found
