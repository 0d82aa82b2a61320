"""conf/linkage.yml: how records are linked, with the limits that keep a night bounded."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from pipelines.config import Strict

Role = Literal[
    "given_name",
    "given_tokens",
    "given_formal",
    "given_phonetic",
    "surname",
    "second_surname",
    "surname_phonetic",
    "name_tokens",
    "company_name",
    "birth_date",
    "tax_id",
    "tax_id_type",
    "emails",
    "email_local",
    "email_births",
    "phones",
    "postal_code",
    "city",
    "street",
    "loyalty_id",
]
"""What a matching column is about; decides its comparison, blocking keys and generic-value rule."""

OPEN_ROLES = ("category", "text")
"""Roles of columns that are about no one thing: ``category_occupation``, ``text_notes``; any number of them."""


SPLIT = {
    "full_name": "given_name, surname and name_tokens",
    "name": "given_name, surname and name_tokens",
    "address": "street, postal_code and city",
    "email": "emails",
    "phone": "phones",
}
"""What silver makes of values that are received whole, or one by one."""


def is_open(role: str) -> bool:
    """True for ``category_…`` and ``text_…``."""
    return re.fullmatch(rf"({'|'.join(OPEN_ROLES)})_[a-z0-9_]*[a-z0-9]", role) is not None


def _a_role(role: str) -> str:
    known = get_args(Role)
    if role in SPLIT:
        raise ValueError(
            f"{role} is no role here, for the records have it in standard form: name {SPLIT[role]}"
        )
    if role not in known and not is_open(role):
        near = difflib.get_close_matches(role, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the roles are {', '.join(known)}"
        raise ValueError(f"{role} is no role; {hint} (or category_<name>, text_<name> for any other column)")
    return role


FieldRole = Annotated[str, AfterValidator(_a_role)]
"""A ``Role``, or one of ``OPEN_ROLES`` with a name."""

ADDRESS = "address"
"""Street and place as one value: what can be generic beside the roles, for every town has a Calle Mayor 1."""
OF_ADDRESS: tuple[Role, ...] = ("street", "postal_code", "city")
"""The roles that a generic address takes with it."""


def _a_shared_value(role: str) -> str:
    return role if role == ADDRESS else _a_role(role)


SharedRole = Annotated[str, AfterValidator(_a_shared_value)]
"""A ``FieldRole``, or ``ADDRESS``."""

DEFAULT_FIELDS: dict[str, str] = {
    "given_name": "match_given",
    "given_tokens": "match_given_tokens",
    "given_formal": "match_given_formal",
    "given_phonetic": "match_given_phonetic",
    "surname": "match_surname",
    "second_surname": "match_second_surname",
    "surname_phonetic": "match_surname_phonetic",
    "name_tokens": "match_name_tokens",
    "company_name": "match_company",
    "birth_date": "match_birth_date",
    "tax_id": "match_tax_id",
    "tax_id_type": "tax_id_type",
    "emails": "match_emails",
    "email_local": "match_email_local",
    "email_births": "match_email_births",
    "phones": "match_phones",
    "postal_code": "match_postal_code",
    "city": "match_city",
    "street": "match_street",
    "loyalty_id": "match_loyalty_id",
}

LISTS: frozenset[str] = frozenset(
    ("given_tokens", "given_formal", "name_tokens", "emails", "email_births", "phones")
)
"""Roles whose column may hold several values."""

GENERIC_LIMITS: dict[str, int] = {"emails": 6, "phones": 6, "tax_id": 6, "loyalty_id": 6, ADDRESS: 200}
"""Names that one family and its helpers may have; beyond, a value belongs to nobody.

An address is a block's where its line has no floor: sixty flats of three names are 180.
"""


class Training(Strict):
    """How much data a model is trained on."""

    seed: int = Field(default=20260101, ge=0, description="Seed of every random choice.")
    max_records: int = Field(
        default=2_000_000,
        ge=1_000,
        description="More records: training takes a sample of some of them and all that share a block with these.",
    )
    u_pairs: int = Field(default=1_000_000, ge=10_000, description="Random pairs that u is estimated from.")
    em_pairs: int = Field(
        default=2_000_000, ge=10_000, description="Pairs of one blocking rule that m is estimated from."
    )
    min_records: int = Field(
        default=200, ge=2, description="Fewer records of a party type: the starter model is used."
    )
    min_pairs: int = Field(
        default=100, ge=1, description="Fewer blocked pairs for EM: the starter model is used."
    )
    deterministic_recall: float = Field(
        default=0.6,
        gt=0,
        le=1,
        description="Share of true pairs that the deterministic rules of the prior find.",
    )


class SqlRule(Strict):
    """A blocking rule as Splink writes one."""

    sql: str = Field(min_length=1, description="Condition over records l and r; its pairs are all compared.")
    explode: tuple[str, ...] = Field(
        default=(), description="List columns of which the condition sees one element at a time."
    )


class Blocking(Strict):
    """Which pairs are compared at all."""

    rules: tuple[SqlRule | tuple[str, ...], ...] = Field(
        default=(),
        description="Rules that training takes instead of choosing: lists of what must be equal, as in "
        "Splink's block_on (roles, or SQL of them), or {sql: condition}.",
    )

    max_block: int = Field(
        default=500,
        ge=2,
        description="Records that share one key; a larger block is subdivided by the next key.",
    )
    max_comparisons_per_record: int = Field(
        default=100,
        ge=1,
        description="Budget of candidate pairs a record that training chooses rules within; a night above it says so.",
    )
    trial_records: int = Field(
        default=4_000, ge=100, description="Records that candidate rules are tried on, against all others."
    )


class Generic(Strict):
    """When a value is shared by too many names to be evidence."""

    distinct_names: dict[SharedRole, int] = Field(
        default_factory=lambda: dict(GENERIC_LIMITS),
        description="A value with more distinct names than this is generic, by role; address is the street and "
        "number with the postal code, or the city.",
    )


class ExactRule(Strict):
    """A deterministic rule: exact keys that link or forbid before the model."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$", max_length=60, description="Stands in decided_by and blocked_by."
    )
    match: tuple[Role, ...] = Field(
        default=(), description="Records that agree on all of these are linked; lists by one value in common."
    )
    never: tuple[Role, ...] = Field(
        default=(),
        description="Forbids instead: records that agree on match, if it is given, and differ in all of these.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> ExactRule:
        if not (self.match or self.never):
            raise ValueError(f"rule {self.name} has neither match nor never: say which roles it is about")
        both = [*self.match, *self.never]
        if twice := sorted({role for role in both if both.count(role) > 1}):
            raise ValueError(f"rule {self.name}: {', '.join(twice)} stands twice")
        if wrong := sorted(LISTS.intersection(self.never)):
            raise ValueError(f"rule {self.name}: never: {', '.join(wrong)} may hold several values")
        return self


class Linkage(Strict):
    """Linkage: fields by role, training, blocking, thresholds, clusters and what never goes together."""

    placement: Literal["auto", "one", "many"] = Field(
        default="auto",
        description="Where scoring runs: one process, or many tasks of Spark; auto is one while it fits.",
    )
    memory_limit: str = Field(
        default="2GB",
        pattern=r"^\d+(\.\d+)?\s?(MB|GB|MiB|GiB)$",
        description="Memory that DuckDB may take; more spills.",
    )
    task_memory_limit: str = Field(
        default="1GB",
        pattern=r"^\d+(\.\d+)?\s?(MB|GB|MiB|GiB)$",
        description="Memory that DuckDB may take in each of many tasks; more spills.",
    )
    task_pairs: int = Field(
        default=1_000_000,
        ge=1,
        description="Pairs that each of many tasks scores, about; and that one process scores at a time "
        "inside components.",
    )
    threads: int = Field(default=0, ge=0, description="Threads that DuckDB uses; 0 is one a core.")
    fields: dict[FieldRole, str] = Field(
        default_factory=lambda: dict(DEFAULT_FIELDS),
        description="The matching column of each role; category_<name> and text_<name> take any other column.",
    )
    comparisons: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Comparisons in Splink's vocabulary: by a role's name instead of its own, by another added.",
    )
    training: Training = Field(default_factory=Training)
    blocking: Blocking = Field(default_factory=Blocking)
    generic: Generic = Field(default_factory=Generic)
    cut_precision: float = Field(
        default=0.97,
        gt=0,
        lt=1,
        description="Expected precision of the links that are made; decides the cut.",
    )
    review_probability: float = Field(
        default=0.1, gt=0, lt=0.5, description="Pairs below this probability are neither kept nor reviewed."
    )
    never: tuple[FieldRole, ...] = Field(
        default=("tax_id",), description="Two different values of these never share a cluster."
    )
    rules: tuple[ExactRule, ...] = Field(
        default=(), description="Exact keys that link or forbid before the model; never-evidence wins."
    )
    duplicate_free: tuple[str, ...] = Field(
        default=(), description="Sources without duplicates: their own records are never compared or joined."
    )
    max_links: int = Field(
        default=50_000_000,
        ge=1,
        description="Links that a process holds at a time; placement one stops above it.",
    )
    max_component: int = Field(
        default=1_000,
        ge=2,
        description="Records in one component; a larger one is cut by raising its threshold.",
    )

    @model_validator(mode="after")
    def _fields_fit(self) -> Linkage:
        if not self.fields:
            raise ValueError("fields: at least one role needs a column")
        for key, roles in (("never", self.never), ("generic.distinct_names", self.generic.distinct_names)):
            if wrong := sorted(role for role in roles if is_open(role) and role not in self.fields):
                raise ValueError(f"{key}: {', '.join(wrong)} has no column in fields")
        if wrong := sorted(LISTS.intersection(self.never)):
            raise ValueError(f"never: {', '.join(wrong)} may hold several values")
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"rules: {', '.join(twice)} stands twice")
        for rule in self.rules:
            if mute := sorted({*rule.match, *rule.never} - set(self.fields)):
                raise ValueError(f"rules: {rule.name} needs {', '.join(mute)}, which fields leaves out")
        if "" in self.duplicate_free or len(set(self.duplicate_free)) < len(self.duplicate_free):
            raise ValueError("duplicate_free: name each source once")
        if self.comparisons or self.blocking.rules:
            # Splink is loaded only where its vocabulary is used: every command reads this file.
            from pipelines.linkage.vocabulary import check

            check(self)
        return self
