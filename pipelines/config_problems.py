"""What pydantic finds wrong, in words of those who write the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_EMPTY = {
    "dict_type": "write {} or leave the line out",
    "model_type": "write {} or leave the line out",
    "tuple_type": "write [] or leave the line out",
    "list_type": "write [] or leave the line out",
}
"""What to do about a key that nothing stands behind, by what was expected there."""
_SHAPES = {
    **dict.fromkeys(("tuple_type", "list_type"), "expected a list, such as [one, two]"),
    **dict.fromkeys(("dict_type", "model_type"), "expected keys and values, such as {key: value}"),
}
"""What was expected where something else stands, in YAML's terms and not in Python's."""


def told(problem: ErrorDetails) -> str:
    """One problem as a sentence."""
    if problem["input"] is None and problem["type"] in _EMPTY:
        return sentence(_EMPTY[problem["type"]])
    if problem["type"] in _SHAPES:
        return sentence(_SHAPES[problem["type"]])
    return sentence(problem["msg"].removeprefix("Value error, "))


def sentence(text: str) -> str:
    """``text`` with a full stop, where it ends with no mark of its own."""
    return text if text.endswith(("?", ".")) else f"{text}."


def keys_at(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """The valid keys of the (nested) model that ``path`` leads to."""
    current: Any = model
    for step in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            found = current.model_fields.get(str(step))
            current = found.annotation if found else None
        else:
            arguments = [a for a in getattr(current, "__args__", ()) if a is not type(None)]
            current = arguments[-1] if arguments else None
        while current is not None and not (isinstance(current, type) and issubclass(current, BaseModel)):
            arguments = [a for a in getattr(current, "__args__", ()) if a is not type(None)]
            models = [a for a in arguments if isinstance(a, type) and issubclass(a, BaseModel)]
            if not models or getattr(current, "__origin__", None) in (dict, tuple, list):
                break
            current = models[0]
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []
