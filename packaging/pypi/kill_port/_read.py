"""From JSON to the types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from kill_port._types import Report

SCHEMA_VERSION = 1


def report(text: str) -> Report:
    """Raises ``ValueError`` if the text is no answer of the command."""
    content: Any = json.loads(text)
    try:
        version: Any = content["schema_version"]
    except (KeyError, TypeError):
        version = None
    if version != SCHEMA_VERSION:
        raise ValueError(f"this is no answer of schema_version {SCHEMA_VERSION}")
    read: Report = _read(Report, content)
    return read


def _read(hint: Any, value: Any) -> Any:
    """Passes over fields that the type doesn't have. One that an older command lacks is None, or empty."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        return tuple(_read(arguments[0], each) for each in value or ())
    if value is None:
        return None
    if origin is Union:
        return _read(arguments[0], value)
    if is_dataclass(hint):
        make: Any = hint
        return make(**{name: _read(kind, value.get(name)) for name, kind in _fields(make).items()})
    return value


@lru_cache(maxsize=None)
def _fields(kind: Any) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
