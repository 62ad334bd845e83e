import re
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

import optuna
from optuna.storages._rdb import models
from sqlalchemy import MetaData

from cnn_mellin.search.database_url import DatabaseError
from cnn_mellin.search.optuna_tables import require_known_optuna

ROOT = Path(__file__).parents[2]


def allowed() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Lowest version of Optuna that pyproject.toml allows, and the lowest that it does not."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (found,) = [re.fullmatch(r"optuna>=([\d.]+),<([\d.]+)", line) for line in extras["search"] if "optuna" in line]
    assert found is not None
    low, high = (tuple(map(int, text.split("."))) for text in found.groups())
    return low, high


@pytest.mark.parametrize("version", [optuna.__version__])
def test_the_installed_optuna_is_allowed_and_has_the_private_names_that_searches_use(version):
    low, high = allowed()
    assert low <= tuple(int(number) for number in version.split(".")[:2]) < high
    require_known_optuna()


@pytest.mark.parametrize(
    ("table", "column"), [("trials", "datetime_start"), ("trial_heartbeats", "heartbeat"), ("studies", "study_name")]
)
def test_a_missing_column_or_table_is_named(table, column):
    for gone in ("column", "table"):
        changed = MetaData()
        for each in models.BaseModel.metadata.tables.values():
            if each.name != table or gone == "column":
                copy = each.to_metadata(changed)
                if each.name == table:
                    copy._columns.remove(copy.c[column])
        with pytest.raises(DatabaseError, match=rf"lacks .*the column {column} of the table {table}.*; install"):
            require_known_optuna(changed.tables.values())


def test_a_missing_private_name_is_named(monkeypatch):
    class Trial:
        _trial_id = 0

    monkeypatch.setattr(optuna.Study, "ask", lambda _self: Trial())
    with pytest.raises(DatabaseError, match=r"lacks Trial\._cached_frozen_trial, which searches use"):
        require_known_optuna()


def test_no_other_file_uses_optunas_private_parts():
    private = re.compile(r"\b(optuna[\w.]*|trial|study|storage)\._[a-z]|_rdb|fixed_params|completed_rung|TrialModel")
    files = (ROOT / "src" / "cnn_mellin").rglob("*.py")
    assert [path.name for path in files if private.search(path.read_text())] == ["optuna_tables.py"]
