import pytest

from cnn_mellin.errors import SettingsError
from cnn_mellin.recipe.search_database import driver_in_url, require_search_database


@pytest.mark.parametrize("db_url", ["", "sqlite:///search.db", "sqlite:////data/search.db"])
def test_sqlite_is_refused_where_workers_run_on_several_machines(db_url):
    with pytest.raises(
        SettingsError, match=r"^db_url .*one machine only.* db_url=postgresql\+psycopg://USER@HOST/NAME"
    ):
        require_search_database(db_url, driver_in_url(db_url), several_machines=True)
    require_search_database(db_url, driver_in_url(db_url), several_machines=False)


def test_the_driver_of_a_url_that_is_held_elsewhere_counts():
    with pytest.raises(SettingsError, match="^db_url env:STUDIES: SQLite serves"):
        require_search_database("env:STUDIES", "sqlite", several_machines=True)


def test_a_server_serves_several_machines():
    require_search_database("postgresql://u@h/d", driver_in_url("postgresql://u@h/d"), several_machines=True)
