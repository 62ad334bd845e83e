"""A check of the database of a recipe's searches, before anything runs."""

from __future__ import annotations

from cnn_mellin.errors import SettingsError

__all__ = ["driver_in_url", "require_search_database"]


def require_search_database(db_url: str, driver: str, *, several_machines: bool) -> None:
    """Check that the database serves the workers of a recipe's searches.

    Args:
        db_url: URL of the database; empty for an SQLite file in the recipe's folder.
        driver: name of its driver, such as `sqlite`.
        several_machines: workers run on more than one machine.

    Raises:
        SettingsError: the database is an SQLite file, which serves the workers of one machine only.

    >>> require_search_database("", "sqlite", several_machines=False)
    """
    if driver == "sqlite" and several_machines:
        shown = db_url.partition("?")[0] or "(not given: an SQLite file in EXP)"
        raise SettingsError(
            f"db_url {shown}: SQLite serves the workers of one machine only, and this profile runs them on several; "
            "name a database server with db_url=postgresql+psycopg://USER@HOST/NAME, "
            "mysql+pymysql:///NAME?read_default_file=FILE, env:VARIABLE or file:PATH (docs/search.md, Databases)"
        )


def driver_in_url(db_url: str) -> str:
    """Driver that a URL names, as it is written; `env` or `file` for a URL that is held elsewhere.

    >>> driver_in_url(""), driver_in_url("sqlite:///a.db"), driver_in_url("env:STUDIES")
    ('sqlite', 'sqlite', 'env')
    """
    return db_url.partition(":")[0] or "sqlite"
