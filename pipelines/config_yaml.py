"""YAML as configuration is written in it: strict about keys and values, and with the lines of both."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from pipelines.errors import UsageError

try:
    from yaml import CSafeLoader as _Quickest
except ImportError:
    # Built without libyaml.
    from yaml import SafeLoader as _Quickest  # type: ignore[assignment]

Node = yaml.Node
"""What a key or a value was read from; it knows its line."""


class _Strict(yaml.constructor.SafeConstructor):
    """Refuses a key given twice instead of keeping the last, and says where a value is none."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except ValueError:
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"this is no {kind} that there is", node.start_mark
            ) from None


class _Fast(_Strict, _Quickest):
    """Safe YAML by libyaml, which PyYAML's wheels bring: in an eighth of the time."""


class _Lenient(_Strict, yaml.SafeLoader):
    """Safe YAML by Python, which takes some of what libyaml does not (``{a:, b:}``), and says better what is wrong."""


def _mapping(loader: _Fast | _Lenient, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(None, None, "a key is one value", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} stands twice", key_node.start_mark
            )
        seen.add(key)
    return yaml.constructor.SafeConstructor.construct_mapping(loader, node, deep=True)


_Fast.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Lenient.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse(text: str, name: str) -> tuple[dict[str, Any], Node | None]:
    """YAML text as a mapping, with its node tree for line numbers. Raises UsageError."""
    try:
        try:
            content, node = _read(_Fast(text))
        except yaml.YAMLError:
            content, node = _read(_Lenient(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise UsageError(f"{name}{where}: {problem}.") from None
    if not isinstance(content, dict):
        raise UsageError(f"{name}: expected keys and values, found {type(content).__name__}.")
    return content, node


def value_of(text: str) -> Any:
    """One value written in YAML. Raises ValueError."""
    try:
        return _Lenient(text).get_single_data()
    except yaml.YAMLError:
        raise ValueError("its value is not valid YAML") from None


def _read(loader: _Fast | _Lenient) -> tuple[Any, Node | None]:
    node = loader.get_single_node()
    return (loader.construct_document(node) if node is not None else {}), node


def _line(node: Node | None, path: tuple[str | int, ...]) -> int | None:
    line = node.start_mark.line + 1 if node is not None else None
    for step in path:
        if isinstance(node, yaml.MappingNode):
            hit = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if hit is None:
                break
            line, node = hit[0].start_mark.line + 1, hit[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def place_of(name: str, node: Node | None, path: tuple[str | int, ...]) -> str:
    """The file, and the line of the key at ``path`` where there is one: ``conf/padron.yml:7``."""
    line = _line(node, path)
    return f"{name}:{line}" if line else name
