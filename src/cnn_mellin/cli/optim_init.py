"""`cnn-mellin optim ... init`: create a study."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from cnn_mellin.errors import SettingsError, UserError
from cnn_mellin.formats.identifier import require_identifier
from cnn_mellin.formats.text_file import read_text
from cnn_mellin.search.database_url import DatabaseError
from cnn_mellin.search.hyperparameter_search import DEFAULT_STUDY_NAME, plan_search
from cnn_mellin.search.plan import DEFAULT_NUM_TRIALS

__all__ = ["init"]

_LOGGER = logging.getLogger(__name__)


def init(arguments: argparse.Namespace) -> int:
    """Create a study, or leave an equal one unchanged."""
    name = require_identifier(arguments.study_name or DEFAULT_STUDY_NAME, "study", "--study-name", DatabaseError)
    study = plan_search(
        arguments.db_url,
        arguments.train_dir,
        arguments.settings,
        study_name=name,
        whitelist=_patterns(arguments.whitelist, "--whitelist"),
        blacklist=_patterns(arguments.blacklist, "--blacklist"),
        ranges=_ranges(arguments.ranges or []),
        dev_proportion=arguments.dev_proportion,
        num_trials=DEFAULT_NUM_TRIALS if arguments.num_trials is None else arguments.num_trials,
        pruner=arguments.pruner,
        pruner_min_epochs=arguments.pruner_min_epochs,
        num_data_workers=arguments.num_data_workers,
        mem_limit_bytes=arguments.mem_limit_bytes,
        device=arguments.device or "cpu",
    )
    if not study.created:
        print(f"{name}: exists in {study.url} with the same arguments; nothing has changed")
        return 0
    print(f"{name}: a new study of {study.plan.num_trials} trials in {study.url}")
    _LOGGER.info(study.data.described)
    _LOGGER.info("searches %d settings:", len(study.plan.dimensions))
    for dimension in study.plan.dimensions:
        _LOGGER.info("  %s", dimension)
    return 0


def _ranges(given: Sequence[Sequence[str]]) -> dict[str, tuple[float, float]]:
    """Setting -> lowest and highest value, of all options --range."""
    found: dict[str, tuple[float, float]] = {}
    for name, low, high in given:
        if name in found:
            raise SettingsError(f"--range {name}: is given twice")
        try:
            found[name] = float(low), float(high)
        except ValueError:
            raise SettingsError(f"--range {name} {low} {high}: LOW and HIGH must be numbers") from None
    return found


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
