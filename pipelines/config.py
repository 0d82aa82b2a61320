"""Configuration: validated YAML; this module alone reads it.

A project's own ``./conf`` overrides the defaults that travel in the wheel, file by file; what
differs by environment stands in ``conf/env/<name>``, chosen by ``PADRON_ENV``: its YAML is laid over
the project's key by key, its other files replace the project's. ``PADRON__FILE__KEY=value``
overrides one key; secrets come from the environment only. Every problem is one line that names file, line, key, what was expected and the nearest valid key.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_serializer,
)

from pipelines.access import reading
from pipelines.config_names import PREFIX, unknown_variables, unread_files
from pipelines.config_problems import keys_at, sentence, told
from pipelines.config_yaml import Node, parse, place_of, value_of
from pipelines.errors import UsageError
from pipelines.packaged import default_conf, is_there

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.resources.abc import Traversable

    from pydantic import SerializerFunctionWrapHandler

KEPT_LAYERS = ("bronze", "silver", "linkage", "identity", "gold", "ops")
"""Layers whose tables may have a retention of their own."""
Model = TypeVar("Model", bound=BaseModel)


def _country(value: str) -> str:
    if re.fullmatch("[A-Z]{2}", value) is None:
        raise ValueError("expected a country's code of two capitals (ISO 3166-1), such as MX")
    return value


def _currency(value: str) -> str:
    if re.fullmatch("[A-Z]{3}", value) is None:
        raise ValueError("expected a currency's code of three capitals (ISO 4217), such as EUR")
    return value


Country = Annotated[str, AfterValidator(_country)]
Currency = Annotated[str, AfterValidator(_currency)]


class Strict(BaseModel):
    """Frozen and closed: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProblemsError(ValueError):
    """What a check of several keys found, each problem with the path of its key, so that its line can be said."""

    def __init__(self, problems: Sequence[tuple[tuple[str | int, ...], str]]) -> None:
        super().__init__("; ".join(text for _, text in problems))
        self.problems = tuple(problems)


class Bounds(Strict):
    """What a gate's value may be at the most; null: never."""

    warn: float | None = Field(default=None, ge=0, description="Above it the gate warns.")
    fail: float | None = Field(default=None, ge=0, description="Above it the gate stops the night.")
    least: int | None = Field(
        default=None,
        ge=0,
        description="Rows that the value must rest on; on fewer the gate warns at the most.",
    )

    @model_serializer(mode="wrap")
    def _as_given(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What is left out is as the gate has it by itself, which null is not.
        return {name: value for name, value in plain(self).items() if name in self.model_fields_set}


class Alerts(Strict):
    """Who is told of a night that did not go as it should; see ``pipelines.ops.alerts``."""

    events: tuple[Literal["warned", "stopped", "failed", "locked"], ...] = Field(
        ("warned", "stopped", "failed"), description="What is told."
    )
    command: tuple[str, ...] = Field(
        (), description="Program and arguments; it gets the summary as JSON on standard input."
    )
    webhook: str | None = Field(
        None,
        pattern=r"^(https?://|\$\{)",
        description="Address that gets the summary as JSON; ${NAME} is taken from the environment.",
    )
    bearer_from: str | None = Field(
        None, description="Environment variable that holds the webhook's bearer token."
    )
    timeout_seconds: float = Field(10, gt=0, le=300, description="Seconds after which an alert is given up.")


class Project(Strict):
    """conf/padron.yml: what holds for the whole project."""

    timezone: str = Field("Europe/Madrid", description="Business time zone: dates are dates there.")
    country: Country = Field("MX", description="Country of records that name none (ISO 3166-1 alpha-2).")
    reporting_currency: Currency | None = Field(
        None, description="Currency that rates convert to (ISO 4217); none: money stays as it is."
    )
    retention_days: int = Field(60, ge=7, description="Days that released versions stay readable.")
    retention_by_layer: dict[str, Annotated[int, Field(ge=7)]] = Field(
        default_factory=dict, description="Days of a layer's own tables instead."
    )
    maintain_every: int | None = Field(
        7, ge=1, description="Releases between two upkeeps at the end of a night; null: padron maintain only."
    )
    quick_start_records: int = Field(
        60_000,
        ge=0,
        description="Records, roughly; nights that look at fewer run on Java's first compiler alone, and those that look at "
        "very few compile no queries. 0: never.",
    )
    max_deleted_share: float = Field(
        0.05, gt=0, le=1, description="Share of a feed's live keys that one night may delete."
    )
    gates: dict[str, Literal["off", "warn", "fail"]] = Field(
        default_factory=dict, description="Severity by gate."
    )
    alerts: Alerts = Field(
        default_factory=lambda: Alerts.model_validate({}), description="Who is told what went wrong."
    )
    bounds: dict[str, Bounds] = Field(
        default_factory=dict, description="Bounds by gate, of those that have two."
    )

    @field_validator("gates", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: Any) -> Any:
        # YAML reads a bare off as false.
        return {k: "off" if v is False else v for k, v in value.items()} if isinstance(value, dict) else value

    @field_validator("retention_by_layer")
    @classmethod
    def _known_layers(cls, value: dict[str, int]) -> dict[str, int]:
        if unknown := sorted(set(value) - set(KEPT_LAYERS)):
            raise ValueError(f"no layer {', '.join(unknown)}; there are {', '.join(KEPT_LAYERS)}")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            near = difflib.get_close_matches(value, available_timezones(), n=1)
            raise ValueError(f"unknown time zone{f'; did you mean {near[0]}?' if near else ''}")
        return value

    def retention(self, layer: str) -> int:
        """Days that released versions of the layer's tables stay readable."""
        return self.retention_by_layer.get(layer, self.retention_days)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


def check_variables() -> None:
    """Raises UsageError for variables that look like configuration, and that nobody reads."""
    if lines := unknown_variables():
        raise UsageError("\n".join(lines))


def validate(
    model: type[Model],
    content: dict[str, Any],
    node: Node | None,
    name: str,
    variables: Mapping[tuple[str, ...], str] | None = None,
) -> Model:
    """``content`` as ``model``. Raises UsageError with every problem, a line each.

    ``variables``: by the path of a key, the variable of the environment that set it.
    """

    def place(path: tuple[str | int, ...]) -> str:
        named = [(len(at), v) for at, v in (variables or {}).items() if path[: len(at)] == at]
        return max(named)[1] if named else place_of(name, node, path)

    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            path = tuple(problem["loc"])
            raised = problem.get("ctx", {}).get("error")
            if isinstance(raised, ProblemsError):
                lines += [f"{place((*path, *at))}: {sentence(text)}" for at, text in raised.problems]
                continue
            where = place(path)
            key = ".".join(str(step) for step in path)
            if problem["type"] == "extra_forbidden":
                valid = keys_at(model, path[:-1])
                near = difflib.get_close_matches(str(path[-1]), valid, n=1)
                hint = (
                    f" Did you mean {near[0]}?"
                    if near
                    else f" Valid keys: {', '.join(valid)}."
                    if valid
                    else ""
                )
                lines.append(f"{where}: {key} is not a known key.{hint}")
            else:
                # A check of several keys names them itself, and has no place of its own.
                lines.append(f"{where}: {key}: {told(problem)}" if key else f"{where}: {told(problem)}")
        raise UsageError("\n".join(lines)) from None


def _overridden(content: dict[str, Any], stem: str) -> dict[tuple[str, ...], str]:
    """Set in ``content`` the keys that PADRON__<FILE>__<KEY>[__<KEY>] sets in the environment; the variables, by key."""
    prefix = f"{PREFIX}{stem.upper()}__"
    variables: dict[tuple[str, ...], str] = {}
    for variable, value in sorted(os.environ.items()):
        if variable.startswith(prefix):
            path = tuple(variable[len(prefix) :].lower().split("__"))
            try:
                _set(content, path, value_of(value))
            except ValueError as error:
                raise UsageError(f"{variable}: {error}.") from None
            variables[path] = variable
    return variables


def _set(content: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set the key at ``path``. Raises ValueError where one on the way holds a value."""
    *above, last = path
    target = content
    for at, step in enumerate(above, 1):
        below = target.get(step)
        target[step] = {} if below is None else below
        target = target[step]
        if not isinstance(target, dict):
            raise ValueError(f"{'.'.join(above[:at])} holds a value and has no keys below it")
    target[last] = value


def _laid_over(content: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``content`` with the keys of ``over``; mappings are laid over each other, all else is replaced."""
    laid = dict(content)
    for key, value in over.items():
        below = laid.get(key)
        is_both = isinstance(below, dict) and isinstance(value, dict)
        laid[key] = _laid_over(below or {}, value) if is_both else value
    return laid


def text_of(path: Traversable, name: str) -> str:
    """A file of the configuration, which is told as ``name``. Raises UsageError."""
    try:
        with reading(name):
            return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8: save it as UTF-8.") from None


class Conf:
    """The configuration of one run: a project's folder over the defaults."""

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.defaults = default_conf()
        self.folder: Traversable = (
            Path(folder) if folder is not None else (Path("conf") if Path("conf").is_dir() else self.defaults)
        )
        if not self.folder.is_dir():
            raise UsageError(f"--config {self.folder} is not a folder.")
        self.environment = os.environ.get("PADRON_ENV") or None
        self.overlay = self._overlay(self.environment)

    def _overlay(self, environment: str | None) -> Traversable | None:
        """The folder of the environment. Raises UsageError where PADRON_ENV names none."""
        if environment is None:
            return None
        base = self.folder / "env"
        known = sorted(p.name for p in base.iterdir() if p.is_dir()) if base.is_dir() else []
        if environment not in known:
            near = difflib.get_close_matches(environment, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known) or 'none'}."
            raise UsageError(f"PADRON_ENV={environment}: there is no folder conf/env/{environment}. {hint}")
        return base / environment

    def path(self, name: str) -> Traversable:
        """The file ``name`` (``rates.csv``, ``spark-defaults.conf``): the environment's, the project's or
        the default."""
        if self.overlay is not None and is_there(self.overlay / name):
            return self.overlay / name
        return self._beneath(name)

    def _beneath(self, name: str) -> Traversable:
        own = self.folder / name
        return own if is_there(own) else self.defaults / name

    def load(self, name: str, model: type[Model]) -> Model:
        """``name`` as ``model``. A file that is nowhere gives the model's defaults."""
        path = self._beneath(name)
        text = text_of(path, f"conf/{name}") if path.is_file() else ""
        content, node = parse(text, f"conf/{name}")
        over = None if self.overlay is None else self.overlay / name
        if over is not None and over.is_file():
            shown = f"conf/env/{self.environment}/{name}"
            laid, laid_node = parse(text_of(over, shown), shown)
            # Once beneath and once on top: a problem is told where it stands.
            validate(model, content, node, f"conf/{name}")
            content, node, name = _laid_over(content, laid), laid_node, f"env/{self.environment}/{name}"
        variables = _overridden(content, Path(name).stem)
        return validate(model, content, node, f"conf/{name}", variables)

    def check_names(self) -> None:
        """Raises UsageError for variables and files that look like configuration, and that nobody reads."""
        lines = [*unknown_variables(), *unread_files(self.folder, "conf")]
        if self.overlay is not None:
            lines += unread_files(self.overlay, f"conf/env/{self.environment}")
        if lines:
            raise UsageError("\n".join(lines))

    @cached_property
    def project(self) -> Project:
        return self.load("padron.yml", Project)

    def files(self, folder: str, suffix: str = ".yml") -> list[Traversable]:
        """The files of a sub-folder. A project, or an environment, that has the folder replaces it whole."""
        base = self.path(folder)
        inside = base.iterdir() if base.is_dir() else ()
        return sorted((p for p in inside if p.name.endswith(suffix) and p.is_file()), key=lambda p: p.name)


def digest(*parts: Any) -> str:
    """A short digest of values that JSON can hold, or of models."""
    plain = [p.model_dump(mode="json") if isinstance(p, BaseModel) else p for p in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()[:16]
