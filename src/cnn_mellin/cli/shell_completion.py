"""Scripts that let a shell complete commands, options, choices and file names of a parser."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import shtab

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["completion_script"]


def completion_script(parser: CommandParser, shell: str) -> str:
    """Script for a shell, which completes all commands of a parser.

    Args:
        parser: parser of the program; file names are proposed for its arguments of free text.
        shell: bash, zsh or fish.
    """
    for command in (parser, *parser.subparsers()):
        for action in command._actions:
            takes_text = action.nargs != 0 and action.choices is None and action.type in (None, str, Path)
            if takes_text and not isinstance(action, argparse._SubParsersAction):
                free_text: Any = action
                free_text.complete = shtab.FILE
    script: str = shtab.complete(parser, shell)
    return script
