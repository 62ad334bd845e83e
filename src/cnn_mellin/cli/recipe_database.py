"""A check of the database of a recipe's searches, before anything runs."""

from __future__ import annotations

from cnn_mellin.errors import SettingsError

__all__ = ["require_search_database"]


def require_search_database(db_url: str, *, several_machines: bool) -> None:
    """Check the database of the searches as far as that needs no connection.

    Args:
        db_url: URL of the database; empty for an SQLite file in the recipe's folder.
        several_machines: workers run on more than one machine.

    Raises:
        SettingsError: the database is an SQLite file, which serves the workers of one machine only.
        DatabaseError: the URL breaks a rule.

    >>> require_search_database("", several_machines=False)
    """
    kind = "sqlite" if not db_url or db_url.startswith("sqlite") else _kind_of(db_url)
    if kind == "sqlite" and several_machines:
        shown = db_url.partition("?")[0] or "(not given: an SQLite file in EXP)"
        raise SettingsError(
            f"--db-url {shown}: SQLite serves the workers of one machine only, and this profile runs them on several; "
            "name a database server with --db-url postgresql+psycopg://USER@HOST/NAME, "
            "mysql+pymysql:///NAME?read_default_file=FILE, env:VARIABLE or file:PATH (docs/search.md, Databases)"
        )


def _kind_of(db_url: str) -> str:
    """Driver that a URL names."""
    from cnn_mellin.search.database_url import resolve_database_url  # of an extra: a recipe without searches lacks it

    return resolve_database_url(db_url).drivername
