"""The command `cnn-mellin`: options that all commands share, and the choice of the command."""

from __future__ import annotations

import argparse
import errno
import io
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cnn_mellin import __version__
from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.log_lines import show_log
from cnn_mellin.errors import UserError

if TYPE_CHECKING:
    from cnn_mellin.config import Settings

__all__ = ["main", "parser"]

# Each is a module beside this one, with `add_parser(subparsers)`; none imports torch before it is run.
_COMMANDS = (
    "demo",
    "corpus",
    "prep",
    "data",
    "conf",
    "train",
    "optim",
    "logits",
    "export",
    "decode",
    "transcribe",
    "lm",
    "score",
    "compare",
    "speed",
    "recipe",
    "report",
)

_REMEDIES = {
    errno.EACCES: "change its permissions, or name another place",
    errno.EEXIST: "name another place, or move what is there",
    errno.EISDIR: "name a file",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "check the path; a folder is made first",
    errno.ENOSPC: "free some space and run the same command again",
    errno.ENOTDIR: "a part of this path is a file; name a folder",
    errno.EROFS: "name a place that can be written",
}
_FILES = "settings files of "  # begins the attributes in which a command line's settings files are noted

_DESCRIPTION = """\
Phone recognition with convolutions in log time (Mellin correlation), against ordinary ones.

  cnn-mellin demo                               from nothing to a table of phone error rates
  cnn-mellin prep timit CORPUS DATA             corpus -> features and references
  cnn-mellin --read-ini F train TRAIN DEV MODEL train an acoustic model
  cnn-mellin decode MODEL TEST HYP.trn          recognise
  cnn-mellin score REF.trn HYP.trn              phone error rate

Every command has its own --help (or: cnn-mellin help COMMAND). Options that all commands share may stand
before or after the command.
"""


class _ReadSettings(argparse.Action):
    """Notes a settings file, to be read on top of those before it."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        # A list for each command of the line: what stands behind a subcommand would else replace what stands before it.
        files = namespace.__dict__.setdefault(f"{_FILES}{parser.prog}", [])
        files.append((str(option_string).removeprefix("--read-"), values))


def parser() -> CommandParser:
    """The parser of the whole command line."""
    root = CommandParser(
        prog="cnn-mellin", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    root.add_argument("-V", "--version", action="version", version=f"cnn-mellin {__version__}")
    root.add_argument("--quiet", action="store_true", help="print results and problems alone, no progress")
    root.add_argument("--device", help="where to compute: cpu, cuda, cuda:1, mps (default: cpu)")
    root.add_argument("--num-threads", type=int, metavar="N", help="threads of one computation (default: torch's)")
    settings = root.add_argument_group("settings", "several files may be read, the later on top of the earlier")
    for file_format in ("ini", "json", "yaml"):
        read = f"--read-{file_format}"
        settings.add_argument(read, action=_ReadSettings, metavar="FILE", help=f"read settings from {file_format}")
    for file_format in ("ini", "json", "yaml"):
        settings.add_argument(
            f"--print-{file_format}",
            dest="print_format",
            action="store_const",
            const=file_format,
            help=f"print all settings as {file_format} and exit",
        )
    commands = root.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in _COMMANDS:
        import_module(f"cnn_mellin.cli.{name}").add_parser(commands)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status: 0, or 2 after one line on what is wrong with the input."""
    _print_what_cannot_be_encoded_as_escapes()
    root = parser()
    try:
        chosen = root.parse_args(arguments)
        return _run(root, chosen)
    except UserError as error:
        return _complain(str(error))
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        return _complain("interrupted; the same command goes on where it can", 130)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _complain(f"{place}{error.strerror or error}; {_REMEDIES.get(error.errno or 0, 'check the path')}")


def _print_what_cannot_be_encoded_as_escapes() -> None:
    r"""Let no phone or file name end a command because the console lacks it: it is shown as `\u025b` or `\udcff`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(root: argparse.ArgumentParser, chosen: argparse.Namespace) -> int:
    chosen.settings = _settings(chosen)
    if chosen.print_format is not None:
        from cnn_mellin.config import Settings, format_settings

        print(format_settings(chosen.settings or Settings(), chosen.print_format), end="")
        return 0
    if chosen.command is None:
        root.error("name a command")
    show_log(quiet=chosen.quiet)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_args, **_kwargs: print(f"cnn-mellin: {message}", file=sys.stderr)
        run: int = chosen.run(chosen)
    return run


def _settings(chosen: argparse.Namespace) -> Settings | None:
    """Settings of the files that the command line names, or None where it names none."""
    settings = None
    for name in sorted(name for name in vars(chosen) if name.startswith(_FILES)):  # those before a subcommand first
        from cnn_mellin.config import read_settings

        for file_format, path in getattr(chosen, name):
            settings = read_settings(path, file_format, settings)
    return settings


def _complain(line: str, status: int = 2) -> int:
    print(f"cnn-mellin: {' '.join(line.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
