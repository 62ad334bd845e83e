import pytest

from cnn_mellin.config import Settings
from cnn_mellin.report.report_page import Page
from cnn_mellin.report.sections.search import search_section

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

from cnn_mellin.search.database_url import resolve_database_url
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import choose_dimensions
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.study import create_study
from cnn_mellin.search.worker import RunningTrial, run_study

NAMES = ["model.window_size", "model.window_stride", "model.recurrent_layers"]


@pytest.fixture
def url(tmp_path) -> str:
    """A database with a study in which one of three hyperparameters matters, and a study without trials."""
    place = f"sqlite:///{tmp_path}/search.db"
    dimensions = tuple(choose_dimensions(Settings(), whitelist=NAMES))
    plan = StudyPlan(Settings().as_dict(), dimensions, num_trials=12)

    def objective(trial: RunningTrial) -> float:
        return 20 + float(trial.params[NAMES[1]]) + 0.01 * float(trial.params[NAMES[0]])

    with StudyDatabase(resolve_database_url(place), create=True) as database:
        create_study(database, "model-mcorr-sm", plan, {})
        create_study(database, "model-mcorr-lg", plan, {})
        run_study(database, "model-mcorr-sm", objective, sampler="random")
    return place


@pytest.mark.slow
def test_history_best_and_importances_are_shown(url):
    page = Page("t", "a", [], [search_section(url, ["model-mcorr-sm", "model-mcorr-lg", "train-mcorr-sm"])])
    text = page.markdown()
    (row,) = (line for line in text.splitlines() if line.startswith("| model-mcorr-sm "))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:4] == ["12", "0", "0"]
    assert 20 < float(cells[4]) < 30
    assert "| model-mcorr-lg |        0 |      0 |      0 |                – |" in text
    assert "train-mcorr-sm" not in text
    first = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| model.")]
    assert first[0] == NAMES[1]
    assert set(first) == set(NAMES)
    assert page.html().count("<svg ") == 1


@pytest.mark.slow
def test_a_url_from_the_environment_is_read_as_searches_read_it(url, monkeypatch):
    monkeypatch.setenv("STUDIES", url)
    assert not search_section("env:STUDIES", ["model-mcorr-sm"]).empty


def test_an_unreachable_database_is_reported(tmp_path):
    section = search_section(f"sqlite:///{tmp_path}/search.db", ["a"])
    text = Page("", "", [], [section]).markdown()
    assert f"The searches' database cannot be read now: sqlite:///{tmp_path}/search.db: there is no such file" in text


def test_without_studies_there_is_no_section():
    assert search_section("sqlite:///nowhere.db", []).empty
