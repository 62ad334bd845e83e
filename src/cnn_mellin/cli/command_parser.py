"""A command-line parser that accepts options anywhere and answers each mistake with one line that says what to write.

Beyond argparse:
- options of a command may follow its subcommands (`train ... --device cuda`) and stand between any arguments;
- `--help` after a subcommand explains that subcommand, even if other arguments are missing, and ends with examples;
- a subcommand may come before the arguments that belong in front of it;
- for a misspelt command or option the error names the nearest known one.

This file uses `_actions`, `_get_value`, `_check_value`, `_negative_number_matcher`, `_fill_text` and the action classes
of argparse, which are private; they are the same in Python 3.11 to 3.14.
"""

from __future__ import annotations

import argparse
import copy
import math
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NoReturn

from cnn_mellin.nearest import close_name, nearest

__all__ = ["CommandParser"]

_KINDS: dict[Any, str] = {int: "a whole number", float: "a number"}
# Messages of argparse, and ours for the same mistakes.
_WORDS = {
    "^the following arguments are required:": "missing arguments:",
    r"^argument ([^:]+): (expected .+)$": r"\1: \2",
    r"^argument ([^:]+): ignored explicit argument (.+)$": r"\1: takes no value, but was given \2",
    r"^argument ([^:]+): not allowed with argument (.+)$": r"\1: not allowed together with \2; give one",
}
_NUMBER = re.compile(r"^-(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$|^-(inf|nan)$")
_LONG_DASH = re.compile("^[\u2012-\u2015\u2212]+(?=[a-z])")  # word processors turn -- into one of these
_GLOBAL = "Options that all commands share (--device, --num-threads, --quiet, --read-ini, ...): see cnn-mellin --help"


@dataclass(frozen=True)
class _Word:
    """One word of a command line.

    Args:
        text: the word itself.
        parser: parser of the command that the word belongs to.
        kind: `option`, `value` (of the option before it), `argument` or `command`.
        action: argparse action of an option; None for an unknown option.
    """

    text: str
    parser: CommandParser
    kind: str
    action: argparse.Action | None = None


class _HelpFormatter(argparse.HelpFormatter):
    """Wraps the paragraphs of a description; keeps its indented lines as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        filled = []
        for is_prose, lines in groupby(text.strip("\n").splitlines(), lambda line: line[:1].strip() != ""):
            if is_prose:
                wrapped = textwrap.wrap(" ".join(lines), width - len(indent), break_on_hyphens=False)
                filled += [indent + line for line in wrapped]
            else:
                filled += [indent + line for line in lines]
        return "\n".join(filled)


class CommandParser(argparse.ArgumentParser):
    """Parser of a command and all its subcommands.

    Args:
        args, kwargs: arguments of `argparse.ArgumentParser`.
        examples: command lines that end the help.

    >>> parser = CommandParser(prog="draw")
    >>> _ = parser.add_argument("--colour")
    >>> _ = parser.add_subparsers(dest="shape").add_parser("circle").add_argument("--radius", type=int)
    >>> parser.parse_args(["circle", "--radius", "2", "--colour", "red"])
    Namespace(colour='red', shape='circle', radius=2)
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **{"formatter_class": _HelpFormatter, **kwargs})
        self.examples = tuple(examples)
        self._negative_number_matcher = _NUMBER  # also takes -1e-3 and -inf for values, not options

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a command line; `--help` and mistakes end the program, a mistake after one line that explains it."""
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

    def format_help(self) -> str:
        """Help text, with the examples at its end."""
        lines = [f"  {example}\n" for example in self.examples]
        return super().format_help() + ("".join(["\nexamples:\n", *lines]) if lines else "")

    def name_options(self, message: str, chosen: argparse.Namespace) -> str:
        """Replace parameter names of a library error by the options of the command that was run.

        A parameter is recognised as `NAME VALUE: ` at the start of the message, and as `NAME=VALUE` and `pass NAME`
        anywhere in it. The destination of an option (`dest`) has the name of the parameter that the option sets.

        Args:
            message: text of the error.
            chosen: result of `parse_args`.

        >>> parser = CommandParser()
        >>> _ = parser.add_argument("--beam-width", type=int)
        >>> _ = parser.add_argument("--partial", action="store_true")
        >>> parser.name_options("beam_width 0: must be at least 1", parser.parse_args([]))
        '--beam-width 0: must be at least 1'
        >>> parser.name_options("3 speakers, not 630; pass partial=True", parser.parse_args([]))
        '3 speakers, not 630; pass --partial'
        >>> parser.name_options("the beam is not given; pass beam_width 16", parser.parse_args([]))
        'the beam is not given; pass --beam-width 16'
        """
        options: dict[str, str] = {}
        parser: CommandParser | None = self
        while parser is not None:
            options |= {action.dest: _name(action) for action in parser._actions if action.option_strings}
            subs = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
            parser = next((sub.choices.get(str(getattr(chosen, sub.dest, None))) for sub in subs), None)
        names = "|".join(map(re.escape, options))
        message = re.sub(rf"^({names})(?= (?:[^:]+|\S+): )", lambda found: options[found[1]], message)
        message = re.sub(rf"\bpass ({names})(?= )", lambda found: f"pass {options[found[1]]}", message)
        message = re.sub(rf"(?<![\w-])({names})=True\b", lambda found: options[found[1]], message)
        return re.sub(rf"(?<![\w-])({names})=(?=\S)", lambda found: f"{options[found[1]]} ", message)

    def error(self, message: str) -> NoReturn:
        """Print one line that explains a mistake, after the usage if arguments are missing; exit with status 2."""
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
        except argparse.ArgumentError as error:
            kind = _KINDS.get(action.type)
            rule = error.message if kind is None else f"must be {kind}"
            raise argparse.ArgumentError(None, f"{_name(action)} {arg_string}: {rule}") from None

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
        """Positional arguments, including the subcommand."""
        return [action for action in self._actions if not action.option_strings]

    @property
    def _options(self) -> dict[str, argparse.Action]:
        return {text: action for action in self._actions for text in action.option_strings}

    def _repeat_options(self) -> None:
        """Add the options of this command to its subcommands."""
        for sub in self._subcommands.values():
            for action in self._actions:
                if not action.option_strings or isinstance(action, argparse._HelpAction):
                    continue
                if not set(action.option_strings) & set(sub._options):
                    sub._add_action(_repeated(action))
            sub.epilog = sub.epilog or _GLOBAL
            sub._repeat_options()

    def _shape(self) -> str:
        """The command with its arguments, without options."""
        marks = {"None": "{}", "?": "[{}]", "*": "[{} ...]"}
        names = []
        for action in self._arguments:
            name = action.metavar if isinstance(action.metavar, str) else action.dest
            names.append(marks.get(str(action.nargs), "{} ...").format(name))
        return " ".join([self.prog, *names])

    def _find(self, text: str) -> argparse.Action | None:
        """Option that a word names, in full or by an unambiguous abbreviation."""
        name = text.partition("=")[0]
        options = self._options
        if text in options or name in options:
            return options.get(text, options.get(name))
        matching = {id(action): action for option, action in options.items() if option.startswith(name)}
        own = [action for action in matching.values() if not getattr(action, "repeated", False)]
        found = own if len(own) == 1 else list(matching.values())
        return found[0] if name.startswith("--") and len(found) == 1 else None

    def _read(self, words: Sequence[str], *, lenient: bool = False) -> Iterator[_Word]:
        """Classify the words of a command line.

        Args:
            words: words of the command line.
            lenient: take the name of a subcommand for the subcommand even if arguments in front of it are missing.
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
        """Parser of the last subcommand named, whose help is printed."""
        parser = self
        for word in self._read(words, lenient=True):
            if word.kind == "command":
                if word.text not in word.parser._subcommands and word.parser is self:
                    self._unknown_command(word, words)
                parser = word.parser._subcommands.get(word.text, parser)
        return parser

    def _ordered(self, words: list[str]) -> list[str]:
        """Move a subcommand that came too early behind the arguments that belong in front of it."""
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
        # If a URL and a file follow in either order, the URL is the argument that belongs in front.
        found.sort(key=lambda i: not re.match(r"\w[\w+]*://|env:|file:", following[i].text))
        if len(found) < num_missing:
            names = ", ".join(_name(action) for action in parser._arguments[:-1][-num_missing:])
            sub.error(f"the following arguments are required: {names}")
        moved = sorted(found[:num_missing])
        rest = [word.text for i, word in enumerate(following) if i not in moved]
        return [*words[:place], *(following[i].text for i in moved), words[place], *rest]

    def _checked(self, words: list[str]) -> list[str]:
        """Write out abbreviated options, and put each command's arguments in front of its options.

        In this order argparse finds optional arguments wherever they stood. Unknown words end the program.
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
        if "--" in arguments:  # all words behind it are arguments, so options come first
            place = arguments.index("--")
            written += [*arguments[:place], *options, *arguments[place:]]
        else:
            written += [*arguments, *options]
        if shows_settings:  # the command itself does not run and needs no arguments
            for parser in (self, *self.subparsers()):
                for action in parser._actions:
                    action.required = False
        return written

    def _name_swallowed(self, read: Sequence[_Word]) -> None:
        """Report arguments that are missing because an option in front of them took them as its values."""
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
        homes = [parser for parser in self.subparsers() if name in parser._options and parser is not word.parser]
        named = [parser for parser in homes if parser.prog.split()[-1] in words]
        if named:
            at = named[0].prog
            word.parser.error(f"{name}: is an option of {at}; write it after that, as in {at} {name}")
        elif near:
            word.parser.error(f"{name}: unknown option; did you mean {near}?")
        elif homes:
            word.parser.error(f"{name}: unknown option; it is one of {' and of '.join(home.prog for home in homes)}")
        hint = f"; write a file of that name as ./{name}" if not name.startswith("--") else ""
        word.parser.error(f"{name}: unknown option{hint}")

    def _unknown_command(self, word: _Word, words: Sequence[str]) -> NoReturn:
        known = word.parser._subcommands
        near = close_name(word.text.lower(), known)
        homes = [parser._shape() for parser in self.subparsers() if parser.prog.split()[-1] == word.text]
        later = [name for name in known if name in words]
        (choice,) = word.parser._arguments[-1:]
        if near:
            hint = f"did you mean {near}?"
        elif homes:
            hint = f"did you mean {homes[0]}?"
        elif later:
            hint = f"{later[0]} comes first: {known[later[0]]._shape()}"
        else:
            hint = nearest(word.text, known)
        word.parser.error(f"{word.text}: is not {_a(str(choice.metavar).lower())} of {word.parser.prog}; {hint}")

    def subparsers(self) -> Iterator[CommandParser]:
        """All subcommands, and their subcommands."""
        for sub in self._subcommands.values():
            yield sub
            yield from sub.subparsers()


def _repeated(action: argparse.Action) -> argparse.Action:
    """Copy of an option for a subcommand; it has no default, so that a value given before the subcommand stays."""
    repeated = copy.copy(action)
    repeated.default = repeated.help = argparse.SUPPRESS
    repeated.repeated = True  # type: ignore[attr-defined]
    return repeated


def _num_values(action: argparse.Action) -> float:
    """Largest number of words that an option takes as values."""
    if isinstance(action.nargs, int):
        return action.nargs
    return math.inf if action.nargs in ("*", "+") else 1


def _name(action: argparse.Action) -> str:
    """Name of an argument as users see it; of an option with aliases, the first name (-V, --version: the long one)."""
    if action.option_strings:
        return next((name for name in action.option_strings if name.startswith("--")), action.option_strings[0])
    return str(action.metavar or action.dest)


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
