"""Log records of the package as lines: news on standard output, warnings and details on standard error."""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

__all__ = ["show_log"]


class _Lines(logging.Handler):
    """Prints each record as a line, above a progress bar where there is one; a traceback follows on its own lines.

    Attributes:
        shows_time: whether each line begins with the time of day.
    """

    shows_time = False

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record to the current `sys.stdout` or `sys.stderr`, which callers may have replaced."""
        line = " ".join(record.getMessage().splitlines())
        if record.exc_info:
            line += f"\n{logging.Formatter().formatException(record.exc_info)}"
        if record.levelno >= logging.WARNING:
            line = f"cnn-mellin: {line}"
        if self.shows_time:
            line = f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {line}"
        stream: TextIO = sys.stdout if record.levelno == logging.INFO else sys.stderr
        try:
            if "tqdm" in sys.modules:
                from tqdm import tqdm  # only here, as --help and quick commands do without it

                with tqdm.external_write_mode(stream):
                    print(line, file=stream, flush=True)
            else:
                print(line, file=stream, flush=True)
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)


def show_log(*, quiet: bool, verbose: bool = False, silent: bool = False) -> None:
    """Print the log records of the package from now on.

    Args:
        quiet: print only warnings.
        verbose: also print details (records of level debug), and the time of day before each line.
        silent: print nothing, as another process prints the same.

    >>> show_log(quiet=False)
    >>> logging.getLogger("cnn_mellin.example").info("epoch 1")
    epoch 1
    """
    logger = logging.getLogger("cnn_mellin")
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    logger.setLevel(logging.CRITICAL + 1 if silent else level)
    if not any(isinstance(handler, _Lines) for handler in logger.handlers):
        logger.addHandler(_Lines())
    for handler in logger.handlers:
        if isinstance(handler, _Lines):
            handler.shows_time = verbose
