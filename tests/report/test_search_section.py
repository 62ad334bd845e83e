import warnings

import pytest

from cnn_mellin.report.report_page import Page
from cnn_mellin.report.search_section import search_section

optuna = pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")


@pytest.fixture
def url(tmp_path) -> str:
    """A database with a study in which one of two settings matters."""
    place = f"sqlite:///{tmp_path}/search.db"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=place, study_name="model-mcorr-sm", sampler=optuna.samplers.RandomSampler(0))

    def objective(trial) -> float:
        return 20 + trial.suggest_float("model.a", 0, 10) + 0.01 * trial.suggest_float("model.b", 0, 1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.optimize(objective, n_trials=12)
    return place


def test_history_best_and_importances_are_shown(url):
    best = optuna.load_study(storage=url, study_name="model-mcorr-sm").best_value
    page = Page("t", "a", [], [search_section(url, ["model-mcorr-sm", "train-mcorr-sm"])])
    text = page.markdown()
    assert f"| model-mcorr-sm |       12 |      0 |      0 |            {best:.2f} |" in text
    assert "train-mcorr-sm" not in text
    rows = [line.split("|")[1].strip() for line in text.splitlines() if "model.a" in line or "model.b" in line]
    assert rows == ["model.a", "model.b"]
    assert page.html().count("<img ") == 1


def test_a_database_that_is_away_is_said(tmp_path):
    section = search_section(f"sqlite:///{tmp_path}/none/search.db", ["a"])
    assert "The searches' database cannot be read now (StorageInternalError)." in Page("", "", [], [section]).markdown()


def test_without_studies_there_is_no_section():
    assert search_section("sqlite:///nowhere.db", []).empty
