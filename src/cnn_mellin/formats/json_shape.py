"""Checks that a JSON value has an expected shape, with the place where it differs."""

from __future__ import annotations

from typing import Any

__all__ = ["shape_fault"]

_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


def shape_fault(value: Any, shape: Any, place: str = "it") -> str | None:
    """Phrase that says where and how a JSON value differs from a shape, or None if it has that shape.

    Args:
        value: parsed JSON value.
        shape: a type; `[shape]` for a list of values of one shape; `{name: shape}` for an object with at least these
            names, where a name that ends in `?` may be missing; `{str: shape}` for an object with any names; a tuple
            for alternatives, with None for null. A whole number is also a number.
        place: name of the value in the phrase.

    >>> shape_fault({"status": "x"}, {"status": int, "seconds?": float})
    "status is 'x', not a whole number"
    >>> shape_fault({"status": 0}, {"status": int, "seconds?": float})
    """
    if isinstance(shape, tuple):
        faults = [shape_fault(value, each, place) for each in shape]
        return None if None in faults else faults[0]
    if shape is None:
        return None if value is None else f"{place} is {_shown(value)}, not null"
    if isinstance(shape, type):
        fits = isinstance(value, (int, float) if shape is float else shape)
        if fits and not (isinstance(value, bool) and shape is not bool):
            return None
        return f"{place} is {_shown(value)}, not {_NAMES[shape]}"
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{place} is {_shown(value)}, not a list"
        found = (shape_fault(each, shape[0], f"{place}[{i}]") for i, each in enumerate(value))
        return next((fault for fault in found if fault is not None), None)
    return _object_fault(value, shape, place)


def _object_fault(value: Any, shape: dict[Any, Any], place: str) -> str | None:
    if not isinstance(value, dict):
        return f"{place} is {_shown(value)}, not an object"
    before = "" if place == "it" else f"{place}."
    for key, inner in shape.items():
        names = list(value) if key is str else [key.removesuffix("?")]
        for name in names:
            if name in value:
                fault = shape_fault(value[name], inner, f"{before}{name}")
                if fault is not None:
                    return fault
            elif not key.endswith("?"):
                return f"{before}{name} is missing"
    return None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
