"""All settings of an experiment, and their construction from names and values, with checks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cnn_mellin.config.data import DataConfig
from cnn_mellin.config.model import AcousticModelConfig
from cnn_mellin.config.training import TrainingConfig
from cnn_mellin.errors import SettingsError
from cnn_mellin.nearest import nearest

__all__ = ["SECTIONS", "Settings", "setting_help"]

_MOST_SHOWN = 100
SECTIONS: dict[str, type] = {"model": AcousticModelConfig, "training": TrainingConfig, "data": DataConfig}


@dataclasses.dataclass
class Settings:
    """Settings of model, training and data, the sections [model], [training] and [data] of a file.

    >>> Settings().updated({"model": {"window_size": "7"}}).model.window_size
    7
    """

    model: AcousticModelConfig = dataclasses.field(default_factory=AcousticModelConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    data: DataConfig = dataclasses.field(default_factory=DataConfig)

    def updated(self, sections: Mapping[str, Any], source: str = "settings") -> Settings:
        """Copy the settings, with some values replaced.

        Args:
            sections: section -> setting -> value; a value may be text, as in an INI file, and empty text leaves the
                setting unset.
            source: name of the file, for messages.

        Raises:
            SettingsError: a section or setting is unknown (the nearest known is named), or a value breaks its rule.
        """
        if not isinstance(sections, Mapping):
            raise SettingsError(f"{source}: holds {type(sections).__name__}, but must hold sections of settings")
        new = {}
        for section in sections:
            if section not in SECTIONS:
                raise SettingsError(f"{source}: unknown section [{section}]; {nearest(section, SECTIONS)}")
        for name in SECTIONS:
            values = sections.get(name, {})
            if not isinstance(values, Mapping):
                raise SettingsError(f"{source}: section [{name}] must hold settings, not {values!r}")
            new[name] = _updated_section(name, getattr(self, name), values, source)
        return Settings(**new)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Dictionary section -> setting -> value, in the order of definition."""
        return {name: dataclasses.asdict(getattr(self, name)) for name in SECTIONS}


def setting_help(section: str, name: str) -> str:
    """Meaning of a setting, its bounds or choices, and its default, as one line.

    >>> setting_help("model", "window_size")
    'Number of frames per window (whole number >= 1; default 5)'
    """
    field = SECTIONS[section].__pydantic_fields__[name]  # type: ignore[attr-defined]
    default = field.get_default(call_default_factory=True)
    rule = _rule(section, name).removeprefix("a ")
    return f"{field.description} ({rule}; default {'unset' if default is None else default})"


def _updated_section(section: str, old: Any, values: Mapping[str, Any], source: str) -> Any:
    kind = SECTIONS[section]
    fields = kind.__pydantic_fields__  # type: ignore[attr-defined]
    merged = dataclasses.asdict(old)
    for name, value in values.items():
        where = f"{source}: [{section}] {name}"
        if name not in fields:
            raise SettingsError(f"{where}: unknown setting; {nearest(name, fields)}")
        if value is None or (isinstance(value, str) and not value.strip()):
            value = fields[name].get_default(call_default_factory=True)
            if fields[name].annotation in (int, float, bool):
                rule = f"must be {_rule(section, name)}; leave the line out for the default {value}"
                raise SettingsError(f"{where}: is empty, but {rule}")
        elif isinstance(value, str) and fields[name].annotation == list[str]:
            try:
                value = json.loads(value)
            except (ValueError, RecursionError) as error:
                raise SettingsError(f"{where} = {_shown(value)}: must be a JSON list of strings ({error})") from None
        merged[name] = value
    try:
        return kind(**merged)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        broken = str(first["ctx"]["error"]) if first["type"] == "value_error" else f"must be {_rule(section, name)}"
        given = values.get(name, first["input"])
        raise SettingsError(f"{source}: [{section}] {name} = {_shown(given)}: {broken}") from None


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _rule(section: str, name: str) -> str:
    """Bounds or choices of a setting in words, from its schema."""
    field = SECTIONS[section].__pydantic_fields__[name]  # type: ignore[attr-defined]
    schema = TypeAdapter(field.rebuild_annotation()).json_schema()
    optional = "anyOf" in schema
    if optional:
        schema = schema["anyOf"][0]
    if "enum" in schema:
        words = " or ".join(schema["enum"])
    else:
        kinds = {"integer": "a whole number", "number": "a number", "boolean": "True or False", "string": "text"}
        words = kinds.get(schema["type"], "a JSON list of strings")
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema and schema[key] < 2**53]
    return " ".join([words, " and ".join(bounds)]).strip() + (", or empty" if optional else "")
