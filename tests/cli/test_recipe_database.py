import pytest

from cnn_mellin.cli.recipe_database import require_search_database
from cnn_mellin.errors import SettingsError
from cnn_mellin.search.database_url import DatabaseError


@pytest.mark.parametrize("db_url", ["", "sqlite:///search.db", "sqlite:////data/search.db", "env:STUDIES"])
def test_sqlite_is_refused_where_workers_run_on_several_machines(monkeypatch, db_url):
    monkeypatch.setenv("STUDIES", "sqlite:///search.db")
    with pytest.raises(
        SettingsError, match=r"--db-url .*one machine only.*--db-url postgresql\+psycopg://USER@HOST/NAME"
    ):
        require_search_database(db_url, several_machines=True)
    require_search_database(db_url, several_machines=False)


def test_a_server_serves_several_machines_and_a_wrong_url_is_refused_first():
    require_search_database("postgresql://u@h/d", several_machines=True)
    with pytest.raises(DatabaseError, match="has no option 'sslmode'"):
        require_search_database("postgresql+pg8000://u@h/d?sslmode=require", several_machines=False)
