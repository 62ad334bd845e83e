"""`cnn-mellin optim ... init`: create a study."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from cnn_mellin.config import Settings
from cnn_mellin.errors import SettingsError, UserError
from cnn_mellin.formats.identifier import require_identifier
from cnn_mellin.formats.text_file import read_text
from cnn_mellin.search.database_url import DatabaseError, resolve_database_url, shown_url
from cnn_mellin.search.new_study import plan_study, start_values
from cnn_mellin.search.plan import DEFAULT_NUM_TRIALS
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.study import create_study

__all__ = ["init"]

_DEFAULT_NAME = "optim"
_LOGGER = logging.getLogger(__name__)


def init(arguments: argparse.Namespace) -> int:
    """Create a study, or leave an equal one unchanged."""
    name = require_identifier(arguments.study_name or _DEFAULT_NAME, "study", "--study-name", DatabaseError)
    url = resolve_database_url(arguments.db_url)
    plan, data = plan_study(
        arguments.settings or Settings(),
        arguments.train_dir,
        whitelist=_patterns(arguments.whitelist, "--whitelist"),
        blacklist=_patterns(arguments.blacklist, "--blacklist"),
        dev_proportion=arguments.dev_proportion,
        num_trials=DEFAULT_NUM_TRIALS if arguments.num_trials is None else arguments.num_trials,
        pruner=arguments.pruner,
        num_data_workers=arguments.num_data_workers,
        mem_limit_bytes=arguments.mem_limit_bytes,
        device=arguments.device or "cpu",
    )
    with StudyDatabase(url, create=True) as database:
        made = create_study(database, name, plan, start_values(plan))
    if not made:
        print(f"{name}: exists in {shown_url(url)} with the same arguments; nothing has changed")
        return 0
    print(f"{name}: a new study of {plan.num_trials} trials in {shown_url(url)}")
    _LOGGER.info(data.described)
    _LOGGER.info("searches %d settings:", len(plan.dimensions))
    for dimension in plan.dimensions:
        _LOGGER.info("  %s", dimension)
    return 0


def _patterns(given: Sequence[str] | None, option: str) -> list[str] | None:
    """Regular expressions of an option, and those in the files that its words @FILE name."""
    if given is None:
        return None
    found: list[str] = []
    for word in given:
        if not word.startswith("@"):
            found.append(word)
            continue
        try:
            found += read_text(word[1:]).split()
        except UserError as error:
            raise SettingsError(f"{option} {word}: cannot be read ({error})") from None
    if not found:
        raise SettingsError(f"{option} {' '.join(given)}: holds no regular expression")
    return found
