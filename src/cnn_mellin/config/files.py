"""Reading and writing settings as INI, JSON and YAML files."""

from __future__ import annotations

import configparser
import json
import logging
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cnn_mellin.config.settings import SECTIONS, Settings, setting_help
from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.text_file import MAX_SETTINGS_BYTES, parse_json, parse_yaml, read_text
from cnn_mellin.shipped_file import SETTINGS, file_or_shipped

__all__ = ["FORMATS", "format_settings", "read_settings"]

_LOGGER = logging.getLogger(__name__)

FORMATS = ("ini", "json", "yaml")


def read_settings(path: str | Path, file_format: str | None = None, base: Settings | None = None) -> Settings:
    """Read settings from a file; settings that it does not name keep their value in `base`, or their default.

    Args:
        path: file, or name of settings that ship with the package, such as `demo-mcorr`; a file on disk takes
            precedence.
        file_format: ini, json or yaml; by default from the file's extension, and ini for an unknown extension. Ignored
            for shipped settings.
        base: settings that the file is applied to.

    Raises:
        SettingsError: the file cannot be read, or something in it breaks a rule.

    >>> read_settings("demo-mcorr").model.convolutional_mellin
    True
    """
    given, path = Path(path), file_or_shipped(path, SETTINGS)
    if file_format is None or path != given:
        file_format = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}.get(path.suffix.lower(), "ini")
    text = read_text(path, SettingsError, max_bytes=MAX_SETTINGS_BYTES)
    _LOGGER.debug("%s: settings read, as %s", path, file_format)
    return (base or Settings()).updated(_PARSERS[file_format](text, str(path)), str(path))


def format_settings(settings: Settings, file_format: str = "ini") -> str:
    """Format settings as the text of a file, which reads back equal.

    Args:
        settings: settings to format.
        file_format: ini (with comments that explain every setting of a section above it), json or yaml.

    >>> print(format_settings(Settings(), "yaml").splitlines()[1])
      use_log_compression: true
    """
    return _FORMATTERS[file_format](settings.as_dict())


def _parse_ini(text: str, source: str) -> dict[str, dict[str, Any]]:
    # No section has a special meaning, a line `seed` without "=" leaves a setting unset, and % stands for itself.
    parser = configparser.ConfigParser(allow_no_value=True, interpolation=None, default_section="\0")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        parser.read_string(text, source)
    except (configparser.Error, AttributeError) as error:
        # At an indented line below a name without a value, the parser raises AttributeError before Python 3.14.
        continued = isinstance(error, getattr(configparser, "MultilineContinuationError", AttributeError))
        message = (
            error.message
            if isinstance(error, configparser.Error) and not continued
            else "a line is indented below a name without a value"
        )
        reason = " ".join(str(message).split())[:400]
        raise SettingsError(f"{source}: not an INI file of [section] and name = value lines: {reason}") from None
    return {section: dict(parser[section]) for section in parser.sections()}


def _parse_json(text: str, source: str) -> Any:
    return parse_json(text, source, SettingsError)


def _parse_yaml(text: str, source: str) -> Any:
    content = parse_yaml(text, source, SettingsError)
    return {} if content is None else content


def _format_ini(sections: Mapping[str, Mapping[str, Any]]) -> str:
    lines: list[str] = []
    for section, values in sections.items():
        for name in SECTIONS[section].__pydantic_fields__:  # type: ignore[attr-defined]
            comment = f"{name}: {setting_help(section, name)}"
            lines += textwrap.wrap(comment, 100, initial_indent="# ", subsequent_indent="#     ")
        lines += ["", f"[{section}]"]
        lines += [f"{name} = {_ini_value(value)}".rstrip() for name, value in values.items()]
        lines.append("")
    return "\n".join(lines)


def _ini_value(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, list) else str(value)


def _format_json(sections: Mapping[str, Mapping[str, Any]]) -> str:
    return json.dumps(sections, indent=2) + "\n"


def _format_yaml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    import yaml  # late: most commands never need it

    return yaml.safe_dump({name: dict(values) for name, values in sections.items()}, sort_keys=False)


_PARSERS: dict[str, Callable[[str, str], Any]] = {"ini": _parse_ini, "json": _parse_json, "yaml": _parse_yaml}
_FORMATTERS: dict[str, Callable[[Mapping[str, Mapping[str, Any]]], str]] = {
    "ini": _format_ini,
    "json": _format_json,
    "yaml": _format_yaml,
}
