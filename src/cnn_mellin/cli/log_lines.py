"""Log records of the package as lines: news on standard output, warnings on standard error."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

__all__ = ["show_log"]


class _Lines(logging.Handler):
    """Prints each record as a line, above a progress bar where there is one; a traceback follows on its own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record to the current `sys.stdout` or `sys.stderr`, which callers may have replaced."""
        line = " ".join(record.getMessage().splitlines())
        if record.exc_info:
            line += f"\n{logging.Formatter().formatException(record.exc_info)}"
        problem = record.levelno >= logging.WARNING
        stream: TextIO = sys.stderr if problem else sys.stdout
        try:
            if "tqdm" in sys.modules:
                from tqdm import tqdm  # only here, as --help and quick commands do without it

                with tqdm.external_write_mode(stream):
                    print(f"cnn-mellin: {line}" if problem else line, file=stream, flush=True)
            else:
                print(f"cnn-mellin: {line}" if problem else line, file=stream, flush=True)
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)


def show_log(*, quiet: bool, silent: bool = False) -> None:
    """Print the log records of the package from now on.

    Args:
        quiet: print only warnings.
        silent: print nothing, as another process prints the same.

    >>> show_log(quiet=False)
    >>> logging.getLogger("cnn_mellin.example").info("epoch 1")
    epoch 1
    """
    logger = logging.getLogger("cnn_mellin")
    logger.setLevel(logging.CRITICAL + 1 if silent else logging.WARNING if quiet else logging.INFO)
    if not any(isinstance(handler, _Lines) for handler in logger.handlers):
        logger.addHandler(_Lines())
