"""JSON lines: one object a line, its values as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

Row = tuple[int, dict[str, str | None] | None, str, str | None]
"""Line, text by key (None where malformed), the line as received, reason."""


class _Literal(str):
    """A number as it was written: 1.10 stays 1.10."""

    __slots__ = ()


class _DuplicateKeyError(ValueError):
    """An object has a key twice, so one value would be lost."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateKeyError
    return found


_decode = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_Literal, parse_float=_Literal, parse_constant=_Literal
).decode


def _dump(value: Any) -> str:
    if isinstance(value, _Literal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_dump(k)}:{_dump(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_dump(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def as_text(value: Any) -> str | None:
    """A decoded value as received: text bare, null NULL, objects and lists as JSON."""
    if value is None:
        return None
    if isinstance(value, str):
        return str(value)
    return _dump(value)


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """The rows of a file; blank lines are passed over.

    Reasons: invalid_json, not_an_object, duplicate_key, nul_byte, invalid_unicode (half a
    surrogate pair).
    """
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        if not text.strip():
            continue
        values, reason = _row(text)
        yield number, values, text, reason


def is_cut_off(last: str) -> bool:
    """True where ``last``, a last line without a line end, is only the beginning of an object."""
    return last.lstrip().startswith("{") and _row(last) == (None, "invalid_json")


def _row(text: str) -> tuple[dict[str, str | None] | None, str | None]:
    if "\0" in text:
        return None, "nul_byte"
    try:
        decoded = _decode(text)
    except _DuplicateKeyError:
        return None, "duplicate_key"
    except (ValueError, RecursionError):
        return None, "invalid_json"
    if not isinstance(decoded, dict):
        return None, "not_an_object"
    values = {key: as_text(value) for key, value in decoded.items()}
    if "\\u" in text:
        for value in (*values, *values.values()):
            if value is not None and "\0" in value:
                return None, "nul_byte"
            try:
                (value or "").encode()
            except UnicodeEncodeError:
                return None, "invalid_unicode"
    return values, None
