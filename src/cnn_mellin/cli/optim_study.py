"""The study that a command line of `cnn-mellin optim` names."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from cnn_mellin.search.database_url import DatabaseError, resolve_database_url, shown_url
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.study import study_names

__all__ = ["NO_STUDY", "open_study"]

NO_STUDY = "no study; create one with `optim ... init`"

_LOGGER = logging.getLogger(__name__)


@contextmanager
def open_study(arguments: argparse.Namespace) -> Iterator[tuple[StudyDatabase, str]]:
    """Open the database, and find the name of the study.

    Args:
        arguments: arguments of the command line, with the URL and perhaps the name.

    Raises:
        DatabaseError: the database cannot be used, or without a name does not have exactly one study.
    """
    with StudyDatabase(resolve_database_url(arguments.db_url)) as database:
        yield database, arguments.study_name or _only_study(database)


def _only_study(database: StudyDatabase) -> str:
    names = study_names(database)
    if len(names) != 1:
        there = f"studies {', '.join(names)}" if names else NO_STUDY
        raise DatabaseError(f"--study-name is not given, and {shown_url(database.url)} has {there}")
    return names[0]
