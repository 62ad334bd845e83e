"""A parser of command lines that takes what was meant, and otherwise says on one line what to write instead.

Beyond argparse: options of a command may also stand after its subcommands (`train ... --device cuda`), and between any
arguments; `--help` behind a subcommand explains the subcommand even where other arguments are missing; a subcommand may
come before the arguments that it follows; and misspelt commands and options are answered with the nearest.

Private parts of argparse that this file uses are `_actions`, `_get_value`, `_check_value` and
`_negative_number_matcher`; they are the same in Python 3.11 to 3.13.
"""

from __future__ import annotations

import argparse
import copy
import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from cnn_mellin.nearest import close_name

__all__ = ["CommandParser"]

_KINDS: dict[Any, str] = {int: "a whole number", float: "a number"}
# What argparse says, and what we say.
_WORDS = {
    "^the following arguments are required:": "missing arguments:",
    r"^argument ([^:]+): (expected .+)$": r"\1: \2",
    r"^argument ([^:]+): ignored explicit argument (.+)$": r"\1: takes no value, but was given \2",
    r"^argument ([^:]+): not allowed with argument (.+)$": r"\1: not together with \2; give one",
}
_NUMBER = re.compile(r"^-(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$|^-(inf|nan)$")
_LONG_DASH = re.compile("^[\u2012-\u2015\u2212]+(?=[a-z])")  # what word processors make of --
_GLOBAL = "Options of every command (--device, --num-threads, --quiet, --read-ini, ...): cnn-mellin --help"


@dataclass(frozen=True)
class _Word:
    """A word of a command line.

    Args:
        text: the word.
        parser: parser that reads it.
        kind: option, value (of the option before it), argument or command.
        action: for an option what it sets, or None where it is unknown.
    """

    text: str
    parser: CommandParser
    kind: str
    action: argparse.Action | None = None


class CommandParser(argparse.ArgumentParser):
    """Parser of a command, and of all its subcommands.

    >>> parser = CommandParser(prog="draw")
    >>> _ = parser.add_argument("--colour")
    >>> _ = parser.add_subparsers(dest="shape").add_parser("circle").add_argument("--radius", type=int)
    >>> parser.parse_args(["circle", "--radius", "2", "--colour", "red"])
    Namespace(colour='red', shape='circle', radius=2)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._negative_number_matcher = _NUMBER  # also -1e-3 and -inf, which are values, not options

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Namespace of a command line; ends the program after `--help`, and after one line on what is wrong."""
        words = [_LONG_DASH.sub("--", word) for word in (sys.argv[1:] if args is None else args)]
        self._repeat_options()
        before = words[: words.index("--")] if "--" in words else words
        if before[:1] == ["help"]:
            before = words = [*before[1:], "--help"]
        if "--help" in before or "-h" in before:
            self._named(before).print_help()
            self.exit()
        words = self._checked(self._ordered(words))
        self._name_swallowed(list(self._read(words)))
        chosen, left = self.parse_known_args(words, namespace)
        if left:
            self._named(words).error(f"unexpected argument{'s' if len(left) > 1 else ''} {' '.join(map(repr, left))}")
        return chosen

    def error(self, message: str) -> NoReturn:
        """End with status 2 and one line about what is wrong, after the usage where arguments are missing."""
        shape = message.startswith(("the following arguments are required", "unexpected argument"))
        if shape:
            self.print_usage(sys.stderr)
            message += f"; expected {self._shape()}"
        for theirs, ours in _WORDS.items():
            message = re.sub(theirs, ours, message)
        command = self.prog.removeprefix("cnn-mellin").strip()
        line = f"cnn-mellin: {command + ': ' if command else ''}{message} ({self.prog} --help)"
        self.exit(2, " ".join(line.split()) + "\n")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            kind = _KINDS.get(action.type)
            if kind is None:
                raise
            raise argparse.ArgumentError(None, f"{_name(action)} {arg_string}: must be {kind}") from None

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        meant = close_name(str(value), choices)
        rule = f"must be {', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else f"must be {choices[0]}"
        hint = f"; did you mean {meant}?" if meant else ""
        raise argparse.ArgumentError(None, f"{_name(action)} {value}: {rule}{hint}")

    @property
    def _subcommands(self) -> dict[str, CommandParser]:
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return dict(action.choices)
        return {}

    @property
    def _arguments(self) -> list[argparse.Action]:
        """Positional arguments, the subcommand among them."""
        return [action for action in self._actions if not action.option_strings]

    @property
    def _options(self) -> dict[str, argparse.Action]:
        return {text: action for action in self._actions for text in action.option_strings}

    def _repeat_options(self) -> None:
        """Let subcommands take the options of this command, too."""
        for sub in self._subcommands.values():
            for action in self._actions:
                if not action.option_strings or isinstance(action, argparse._HelpAction):
                    continue
                if not set(action.option_strings) & set(sub._options):
                    sub._add_action(_repeated(action))
            sub.epilog = sub.epilog or _GLOBAL
            sub._repeat_options()

    def _shape(self) -> str:
        """The command with its arguments, options left out."""
        marks = {"None": "{}", "?": "[{}]", "*": "[{} ...]"}
        names = []
        for action in self._arguments:
            name = action.metavar if isinstance(action.metavar, str) else action.dest
            names.append(marks.get(str(action.nargs), "{} ...").format(name))
        return " ".join([self.prog, *names])

    def _find(self, text: str) -> argparse.Action | None:
        """The option that a word names, in full or by the only possible abbreviation."""
        name = text.partition("=")[0]
        options = self._options
        if text in options or name in options:
            return options.get(text, options.get(name))
        matching = {id(action): action for option, action in options.items() if option.startswith(name)}
        own = [action for action in matching.values() if not getattr(action, "repeated", False)]
        found = own if len(own) == 1 else list(matching.values())
        return found[0] if name.startswith("--") and len(found) == 1 else None

    def _read(self, words: Sequence[str], *, lenient: bool = False) -> Iterator[_Word]:
        """Words with what each is.

        Args:
            words: the command line.
            lenient: take the name of a subcommand for it even where arguments before it are missing.
        """
        parser, num_values, num_arguments = self, 0.0, 0
        for place, text in enumerate(words):
            subcommands = parser._subcommands
            if text == "--":
                for rest in words[place:]:
                    yield _Word(rest, parser, "argument")
                return
            if text.startswith("-") and len(text) > 1 and not _NUMBER.match(text) and " " not in text.partition("=")[0]:
                action = parser._find(text)
                num_values = 0 if action is None or "=" in text else _num_values(action)
                yield _Word(text, parser, "option", action)
            elif num_values > 0:
                num_values -= 1
                yield _Word(text, parser, "value")
            elif subcommands and (num_arguments == len(parser._arguments) - 1 or (lenient and text in subcommands)):
                yield _Word(text, parser, "command")
                if text not in subcommands:
                    return
                parser, num_arguments = subcommands[text], 0
            else:
                num_arguments += 1
                yield _Word(text, parser, "argument")

    def _named(self, words: Sequence[str]) -> CommandParser:
        """Parser of the last subcommand that is named, for its help."""
        parser = self
        for word in self._read(words, lenient=True):
            if word.kind == "command":
                if word.text not in word.parser._subcommands and word.parser is self:
                    self._unknown_command(word, words)
                parser = word.parser._subcommands.get(word.text, parser)
        return parser

    def _ordered(self, words: list[str]) -> list[str]:
        """Words, with a subcommand that came too early put behind the arguments that come before it."""
        arguments = 0
        for place, word in enumerate(self._read(words)):
            if word.kind == "command":
                arguments = 0
            elif word.kind == "argument":
                arguments += 1
                before = len(word.parser._arguments) - 1
                if word.text in word.parser._subcommands and arguments <= before:
                    return self._moved(words, place, word.parser, before - arguments + 1)
        return words

    def _moved(self, words: list[str], place: int, parser: CommandParser, num_missing: int) -> list[str]:
        sub = parser._subcommands[words[place]]
        following = list(sub._read(words[place + 1 :]))
        found = [i for i, word in enumerate(following) if word.kind == "argument" and word.text != "--"]
        # Of a URL and a file, either of which may come first, the URL is meant.
        found.sort(key=lambda i: not re.match(r"\w[\w+]*://|env:|file:", following[i].text))
        if len(found) < num_missing:
            names = ", ".join(_name(action) for action in parser._arguments[:-1][-num_missing:])
            sub.error(f"the following arguments are required: {names}")
        moved = sorted(found[:num_missing])
        rest = [word.text for i, word in enumerate(following) if i not in moved]
        return [*words[:place], *(following[i].text for i in moved), words[place], *rest]

    def _checked(self, words: list[str]) -> list[str]:
        """Words with abbreviated options written out, and each command's arguments before its options.

        In this order argparse finds arguments that may be left out, wherever they stood. Unknown words end the program.
        """
        read = list(self._read(words))
        written: list[str] = []
        arguments: list[str] = []
        options: list[str] = []
        shows_settings = False
        for word in read:
            text = word.text
            if word.kind == "option":
                if word.action is None:
                    self._unknown_option(word, words)
                name, mark, value = text.partition("=")
                if name not in word.action.option_strings:
                    text = _name(word.action) + mark + value
                shows_settings |= word.action.dest == "print_format"
            elif word.kind == "command":
                if text not in word.parser._subcommands:
                    self._unknown_command(word, words)
                written += [*arguments, *options, text]
                arguments, options = [], []
                continue
            (arguments if word.kind == "argument" else options).append(text)
        if "--" in arguments:  # behind it all are arguments, so that options come first
            place = arguments.index("--")
            written += [*arguments[:place], *options, *arguments[place:]]
        else:
            written += [*arguments, *options]
        if shows_settings:  # which ends the command before it begins, so that it needs no arguments
            for parser in (self, *self._all()):
                for action in parser._actions:
                    action.required = False
        return written

    def _name_swallowed(self, read: Sequence[_Word]) -> None:
        """Say so where arguments are missing since an option before them took them as its values."""
        if not read or read[-1].kind != "value":
            return
        parser = read[-1].parser
        given = sum(word.kind == "argument" and word.parser is parser for word in read)
        missing = [action for action in parser._arguments if action.required][given:]
        option = [word for word in read if word.kind == "option"][-1]
        if missing and option.action is not None and _num_values(option.action) > 1:
            names, name = ", ".join(map(_name, missing)), option.text.partition("=")[0]
            parser.error(
                f"the following arguments are required: {names} (before {name}, which takes all words that follow it)"
            )

    def _unknown_option(self, word: _Word, words: Sequence[str]) -> NoReturn:
        name = word.text.partition("=")[0]
        options = word.parser._options
        possible = sorted(option for option in options if option.startswith(name) and name.startswith("--"))
        if len(possible) > 1:
            word.parser.error(f"{name}: could be {' or '.join(possible)}; write it out")
        near = close_name(name, options)
        homes = [parser for parser in self._all() if name in parser._options and parser is not word.parser]
        named = [parser for parser in homes if parser.prog.split()[-1] in words]
        if named:
            at = named[0].prog
            word.parser.error(f"{name}: is an option of {at}; write it behind that, as in {at} {name}")
        elif near:
            word.parser.error(f"{name}: unknown option; did you mean {near}?")
        elif homes:
            word.parser.error(f"{name}: unknown option; it is one of {' and of '.join(home.prog for home in homes)}")
        hint = f"; a file of that name is written ./{name}" if not name.startswith("--") else ""
        word.parser.error(f"{name}: unknown option{hint}")

    def _unknown_command(self, word: _Word, words: Sequence[str]) -> NoReturn:
        known = word.parser._subcommands
        near = close_name(word.text.lower(), known)
        homes = [parser._shape() for parser in self._all() if parser.prog.split()[-1] == word.text]
        later = [name for name in known if name in words]
        (choice,) = word.parser._arguments[-1:]
        if near:
            hint = f"did you mean {near}?"
        elif homes:
            hint = f"did you mean {homes[0]}?"
        elif later:
            hint = f"{later[0]} comes first: {known[later[0]]._shape()}"
        else:
            hint = f"known are {', '.join(known)}"
        word.parser.error(f"{word.text}: is no {str(choice.metavar).lower()} of {word.parser.prog}; {hint}")

    def _all(self) -> Iterator[CommandParser]:
        for sub in self._subcommands.values():
            yield sub
            yield from sub._all()


def _repeated(action: argparse.Action) -> argparse.Action:
    """An option for a subcommand, which leaves alone what was given before the subcommand."""
    repeated = copy.copy(action)
    repeated.default = repeated.help = argparse.SUPPRESS
    repeated.repeated = True  # type: ignore[attr-defined]
    return repeated


def _num_values(action: argparse.Action) -> float:
    """Number of words that an option takes at most."""
    if isinstance(action.nargs, int):
        return action.nargs
    return math.inf if action.nargs in ("*", "+") else 1


def _name(action: argparse.Action) -> str:
    """Name of an argument as users see it."""
    if action.option_strings:
        return max(action.option_strings, key=len)
    return str(action.metavar or action.dest)
