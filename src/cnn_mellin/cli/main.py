"""The command `cnn-mellin`: the table of commands, the options that all share, and how errors are printed."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import logging
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cnn_mellin import __version__
from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.log_lines import show_log
from cnn_mellin.errors import OtherProcessError, SettingsError, UserError
from cnn_mellin.extras import BASE, missing_packages, require_packages
from cnn_mellin.launched_process import launched_process

if TYPE_CHECKING:
    from cnn_mellin.config import Settings

__all__ = ["main", "parser"]

_LOGGER = logging.getLogger(__name__)

# Command -> its line in the help. `cli/options/COMMAND.py` holds its options and help, `cli/COMMAND.py` its `run`. The
# parser loads the options of all commands, which import nothing heavy; only the chosen command is loaded to run.
_COMMANDS = {
    "demo": "go from nothing to a table of phone error rates",
    "corpus": "make a demonstration corpus",
    "prep": "compute features and references of a corpus",
    "data": "inspect, verify, plot and convert data directories",
    "conf": "list or print the settings that ship with the program",
    "train": "train an acoustic model",
    "optim": "search hyperparameters with many workers on one database",
    "logits": "write the logits of a model on a partition",
    "model": "describe a trained model, pack it to hand it on",
    "export": "export a trained model to ONNX: audio in, posteriors out",
    "decode": "recognise the utterances of a partition",
    "transcribe": "recognise audio files: phones with times",
    "lm": "estimate n-gram language models, compute perplexities",
    "score": "compute phone error rates of transcripts",
    "compare": "compare systems over seeds and speakers, with tests of significance",
    "speed": "write a corpus's test partition at other speaking rates",
    "recipe": "run all steps from a corpus to a report",
    "step": "run one step of a recipe, as its Snakefile does",
    "report": "write the results of a recipe on one page",
}

_REMEDIES = {
    errno.EACCES: "change its permissions, or name another place",
    errno.EEXIST: "name another place, or move what is there",
    errno.EISDIR: "name a file",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "check the path; a folder is made first",
    errno.ENOSPC: "free some space and run the same command again",
    errno.ENOTDIR: "a parent of this path is a file; name a folder",
    errno.EROFS: "name a place that is not read-only",
}
_OF_SEVERAL_PROCESSES = {"train", "optim"}  # commands that torchrun may start
_FILES = "settings files of "  # prefix of the attributes that collect the settings files of a command line

_DESCRIPTION = """\
Phone recognition with convolutions in log time (Mellin correlation), compared with ordinary convolutions.

Every command has its own --help (or: cnn-mellin help COMMAND). Options that all commands share may stand before or
after the command.
"""
_EXAMPLES = (
    "cnn-mellin demo  # from nothing to a table of phone error rates",
    "cnn-mellin prep timit CORPUS DATA  # compute features and references",
    "cnn-mellin --read-ini demo-mcorr train TRAIN DEV MODEL  # train an acoustic model",
    "cnn-mellin decode MODEL TEST hyp.trn  # recognise",
    "cnn-mellin score REF.trn hyp.trn  # compute the phone error rate",
)


class _ReadSettings(argparse.Action):
    """Collects a settings file, to be read after those before it."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        # One list per (sub)command: argparse would otherwise replace files given before a subcommand by those after it.
        files = namespace.__dict__.setdefault(f"{_FILES}{parser.prog}", [])
        files.append((str(option_string).removeprefix("--read-"), values))


class _PrintCompletion(argparse.Action):
    """Prints the completion script of a shell and ends the program."""

    def __call__(self, _parser: Any, _namespace: Any, shell: Any, _option: str | None = None) -> None:
        require_packages("--print-completion", ["completion"])
        from cnn_mellin.cli.shell_completion import completion_script  # of an extra

        print(completion_script(parser(), shell))
        sys.exit(0)


def parser() -> CommandParser:
    """Parser of the whole command line."""
    root = CommandParser(prog="cnn-mellin", description=_DESCRIPTION, examples=_EXAMPLES)
    root.add_argument("-V", "--version", action="version", version=f"cnn-mellin {__version__}")
    root.add_argument("--quiet", action="store_true", help="print only results and problems, no progress")
    root.add_argument(
        "--verbose",
        action="store_true",
        help="also print versions, which files are read, which steps begin, the time of day before each line, and "
        "where in the program an error was found: for reports of faults",
    )
    root.add_argument("--device", help="device to compute on: cpu, cuda, cuda:1, mps (default: cpu)")
    root.add_argument(
        "--num-threads",
        type=int,
        metavar="N",
        help="number of threads per computation; 1 is often fastest for small models (default: torch's choice)",
    )
    settings = root.add_argument_group("settings", "of several files, a later one overrides the earlier ones")
    for file_format in ("ini", "json", "yaml"):
        settings.add_argument(
            f"--read-{file_format}",
            action=_ReadSettings,
            metavar="FILE",
            help=f"read settings from a file in {file_format} format, or from one that ships with the program",
        )
    for file_format in ("ini", "json", "yaml"):
        settings.add_argument(
            f"--print-{file_format}",
            dest="print_format",
            action="store_const",
            const=file_format,
            help=f"print all settings in {file_format} format and exit, to check them or to start a file from",
        )
    root.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=("bash", "zsh", "fish"),
        help="print a script that lets this shell complete commands, options and file names (needs the extra "
        "`completion`); docs/install.md says how to use it",
    )
    commands = root.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, line in _COMMANDS.items():
        options = import_module(f"cnn_mellin.cli.options.{name}")
        options.add_options(
            commands.add_parser(name, help=line, description=options.DESCRIPTION, examples=options.EXAMPLES)
        )
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Returns:
        Exit status: 0, or 2 after one line that explains what is wrong with the input.
    """
    _escape_unencodable_characters()
    root = parser()
    chosen = argparse.Namespace(verbose=False)
    try:
        with _printing_once():
            chosen = root.parse_args(arguments)
        return _run(root, chosen)
    except UserError as error:
        if chosen.verbose and not chosen.quiet and _speaks():
            traceback.print_exc()
        return _complain(root.name_options(str(error), chosen))
    except OtherProcessError:  # which says itself what is wrong
        return 1
    except ModuleNotFoundError as error:  # an installation of the layers only
        module = str(error.name).partition(".")[0]
        if module not in BASE:
            raise
        return _complain(str(missing_packages(chosen.command or "settings", [], [module])))
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        return _complain("interrupted; run the same command again to resume", 130)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _complain(f"{place}{error.strerror or error}; {_REMEDIES.get(error.errno or 0, 'check the path')}")


def _escape_unencodable_characters() -> None:
    r"""Print characters that the console cannot encode as `\u025b` or `\udcff`, so that none ends a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(root: argparse.ArgumentParser, chosen: argparse.Namespace) -> int:
    place = launched_process()
    if chosen.quiet and chosen.verbose:
        raise SettingsError("--verbose: not allowed together with --quiet; give one")
    show_log(quiet=chosen.quiet, verbose=chosen.verbose, silent=place.rank > 0)
    if chosen.verbose:
        from cnn_mellin.cli.version_line import version_line  # slow to import, and --help does without

        _LOGGER.debug("%s", version_line())
    chosen.settings = _settings(chosen)
    if chosen.print_format is not None:
        from cnn_mellin.config import Settings, format_settings  # pydantic, which --help does without

        print(format_settings(chosen.settings or Settings(), chosen.print_format), end="")
        return 0
    if chosen.command is None:
        root.error("name a command")
    if place.size > 1 and chosen.command not in _OF_SEVERAL_PROCESSES:
        raise SettingsError(f"{chosen.command}: runs as one process, not {place.size}; start it without torchrun")
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.showwarning = _ignore_warning if place.rank else _print_warning
        status: int = import_module(f"cnn_mellin.cli.{chosen.command}").run(chosen)
    _LOGGER.debug("%s: ended with status %d after %.1f s", chosen.command, status, time.monotonic() - began)
    return status


@contextlib.contextmanager
def _printing_once() -> Iterator[None]:
    """Print what all of several processes would print, such as a mistake of a command line, in process 0 only."""
    with contextlib.ExitStack() as stack:
        if launched_process().rank:
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        yield


def _print_warning(message: Warning | str, *_args: object, **_kwargs: object) -> None:
    print(f"cnn-mellin: {message}", file=sys.stderr)


def _ignore_warning(*_args: object, **_kwargs: object) -> None:
    """Leave warnings to process 0 of several."""


def _settings(chosen: argparse.Namespace) -> Settings | None:
    """Settings of the files that the command line names; None if it names none."""
    settings = None
    for name in sorted(name for name in vars(chosen) if name.startswith(_FILES)):  # files before a subcommand first
        from cnn_mellin.config import read_settings  # pydantic, which --help does without

        for file_format, path in getattr(chosen, name):
            settings = read_settings(path, file_format, settings)
    return settings


def _complain(line: str, status: int = 2) -> int:
    if _speaks():
        print(f"cnn-mellin: {' '.join(line.split())}", file=sys.stderr)
    return status


def _speaks() -> bool:
    """Check whether this process says what is wrong; of several, the first that finds out does."""
    try:
        if launched_process().size == 1:
            return True
    except SettingsError:
        return True
    from cnn_mellin.training.process_group import first_to_complain  # torch, which --help does without

    return first_to_complain()


if __name__ == "__main__":
    sys.exit(main())
