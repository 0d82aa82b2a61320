"""Blocking rules by role: the fixed ones of small data, and the candidates that training chooses from.

A rule gives each record one key or several; records that share a key are compared. Candidates are
made of parts of the roles (a name's sound, its start, a birth year, the outward postal code) in
pairs, and of coarse parts in threes: which of them pay is for the data to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Rule:
    """A blocking rule: ``key`` is SQL over table ``people``; NULL means no key.

    ``each`` names a list column whose elements become ``item`` in ``key``; ``then`` are the next
    keys of blocks above the cap.
    """

    name: str
    key: str
    needs: tuple[str, ...]
    each: str | None = None
    then: tuple[str, ...] = (
        "left(surname_phonetic, 4)",
        "left(given_phonetic, 3)",
        "birth_text",
        "postal_code",
    )
    condition: str | None = None
    """SQL over records ``l`` and ``r`` instead of a key, as Splink writes its rules; its pairs are all compared."""
    explode: tuple[str, ...] = ()
    """List columns of which ``condition`` sees one element at a time."""


def by_condition(
    name: str, condition: str, explode: tuple[str, ...] = (), needs: tuple[str, ...] = ()
) -> Rule:
    """A rule that compares all pairs of records for which ``condition`` holds."""
    return Rule(name, "NULL", needs, then=(), condition=condition, explode=explode)


@dataclass(frozen=True)
class _Part:
    """A piece of evidence that a key can be made of."""

    name: str
    key: str
    needs: str
    kind: str
    """What it is about: two parts of one kind make no rule, but of two names."""
    is_coarse: bool = False
    """Too common for a pair of such parts; three make a rule."""
    each: str | None = None


_NAME_NEXT = ("birth_text", "second_surname", "postal_code", "city")

IDENTIFIERS: dict[str, tuple[Rule, ...]] = {
    "person": (
        Rule("tax_id", "tax_id", ("tax_id",)),
        Rule("email", "item", ("emails",), "emails"),
        Rule("phone", "item", ("phones",), "phones"),
        Rule("loyalty_id", "loyalty_id", ("loyalty_id",)),
    ),
    "company": (
        Rule("tax_id", "tax_id", ("tax_id",)),
        Rule("email", "item", ("emails",), "emails"),
        Rule("phone", "item", ("phones",), "phones"),
    ),
}
"""Rules on what nobody shares by chance: they always stand, the surest first."""

FIXED: dict[str, tuple[Rule, ...]] = {
    "person": (
        *IDENTIFIERS["person"],
        Rule(
            "surname+birth",
            "surname_phonetic || chr(31) || birth_text",
            ("surname_phonetic", "birth_date"),
            None,
            ("given_phonetic",),
        ),
        Rule(
            "given+birth",
            "item || chr(31) || birth_text",
            ("given_formal", "birth_date"),
            "given_formal",
            ("surname_phonetic",),
        ),
        Rule(
            "given+surname",
            "item || chr(31) || surname_phonetic",
            ("given_formal", "surname_phonetic"),
            "given_formal",
            _NAME_NEXT,
        ),
        Rule("email_name", "CASE WHEN length(email_local) >= 7 THEN email_local END", ("email_local",)),
        Rule("token+postal", "item || chr(31) || postal_code", ("name_tokens", "postal_code"), "name_tokens"),
        Rule("birth+postal", "birth_text || chr(31) || postal_code", ("birth_date", "postal_code")),
    ),
    "company": (
        *IDENTIFIERS["company"],
        Rule(
            "name_start",
            "left(company_name, 8)",
            ("company_name",),
            None,
            ("left(company_name, 14)", "postal_code", "city"),
        ),
        Rule(
            "street", "street || coalesce(postal_code, city)", ("street",), None, ("left(company_name, 4)",)
        ),
        Rule(
            "name3+postal",
            "left(company_name, 3) || postal_code",
            ("company_name", "postal_code"),
            None,
            ("left(company_name, 8)",),
        ),
    ),
}
"""The rules where nothing is trained, the surest first."""

_AREA = (
    "CASE WHEN contains(postal_code, ' ') THEN split_part(postal_code, ' ', 1) ELSE left(postal_code, 3) END"
)
"""The district of a postal code: the outward part in Britain, the first three digits elsewhere."""

_PARTS: dict[str, tuple[_Part, ...]] = {
    "person": (
        _Part("given", "item", "given_formal", "given", each="given_formal"),
        _Part("given3", "left(given_phonetic, 3)", "given_phonetic", "given", is_coarse=True),
        _Part("surname", "surname_phonetic", "surname_phonetic", "surname"),
        _Part("surname3", "left(surname_phonetic, 3)", "surname_phonetic", "surname", is_coarse=True),
        _Part("second_surname", "second_surname", "second_surname", "second_surname"),
        _Part("token", "item", "name_tokens", "name", each="name_tokens"),
        _Part("birth", "birth_text", "birth_date", "birth"),
        _Part("birthday", "birth_day", "birth_date", "birth"),
        _Part("month", "left(birth_text, 6)", "birth_date", "birth"),
        _Part("year", "left(birth_text, 4)", "birth_date", "birth", is_coarse=True),
        _Part("postal", "postal_code", "postal_code", "place"),
        _Part("area", _AREA, "postal_code", "place", is_coarse=True),
        _Part("city", "city", "city", "place", is_coarse=True),
        _Part("street", "street", "street", "place"),
        _Part("email_name", "email_local", "email_local", "email"),
    ),
    "company": (
        _Part("name", "company_name", "company_name", "name"),
        _Part("name8", "left(company_name, 8)", "company_name", "name"),
        _Part("name3", "left(company_name, 3)", "company_name", "name", is_coarse=True),
        _Part("postal", "postal_code", "postal_code", "place"),
        _Part("city", "city", "city", "place", is_coarse=True),
        _Part("street", "street", "street", "place"),
        _Part("email_name", "email_local", "email_local", "email"),
    ),
}
_ALONE = frozenset(
    {"birth", "postal", "street", "email_name", "surname", "name", "name8", "second_surname", "given"}
)
"""Parts that may be a rule by themselves, where a value is rare enough."""
_ABOUT_NAMES = frozenset({"given", "surname", "second_surname", "name"})
_IN_THREES = frozenset(
    {"given", "given3", "surname", "surname3", "birthday", "month", "year", "area", "city"}
)


def _made_of(parts: tuple[_Part, ...], model: str) -> Rule:
    kinds = {part.kind for part in parts}
    # The next keys say something that the rule's own parts do not.
    following = tuple(
        key
        for kind, key in (
            ("surname", "left(surname_phonetic, 4)"),
            ("given", "left(given_phonetic, 3)"),
            ("birth", "birth_text"),
            ("place", "postal_code"),
            ("name", "left(company_name, 14)"),
        )
        if kind not in kinds and (kind == "name") == (model == "company" and kind == "name")
    )
    return Rule(
        "+".join(part.name for part in parts),
        " || chr(31) || ".join(f"({part.key})" for part in parts),
        tuple(dict.fromkeys(part.needs for part in parts)),
        next((part.each for part in parts if part.each), None),
        following,
    )


def _fit(parts: tuple[_Part, ...]) -> bool:
    """Whether the parts make a rule: of different kinds, one list among them, and not all too common."""
    kinds = [part.kind for part in parts]
    if len(set(kinds)) < len(kinds) or sum(part.each is not None for part in parts) > 1:
        return False
    if "name" in kinds and _ABOUT_NAMES & set(kinds) - {"name"}:
        # A token is any of the other names.
        return False
    names = {part.name for part in parts}
    if len(parts) == 1:
        return bool(names & _ALONE)
    if "email" in kinds:
        return False
    coarse = sum(part.is_coarse for part in parts)
    return coarse <= 1 if len(parts) == 2 else coarse >= 2 and names <= _IN_THREES


def candidates(model: str, roles: set[str]) -> tuple[Rule, ...]:
    """Every rule that training may choose for a party type: identifiers first, then one, two and three parts.

    ``roles``: those that have a column; every rule needs no other. Categories are parts as well.
    """
    known = [part for part in _PARTS[model] if part.needs in roles]
    known += [
        _Part(role, role, role, role, is_coarse=True)
        for role in sorted(roles)
        if role.startswith("category_")
    ]
    made = [
        _made_of(parts, model) for size in (1, 2, 3) for parts in combinations(known, size) if _fit(parts)
    ]
    named = {rule.name for rule in made}
    fixed = [rule for rule in FIXED[model] if rule.name not in named and rule not in IDENTIFIERS[model]]
    return tuple(rule for rule in (*IDENTIFIERS[model], *fixed, *made) if roles.issuperset(rule.needs))


def rules_for(model: str, roles: set[str]) -> tuple[Rule, ...]:
    """The fixed rules of a party type's model whose roles all have a column."""
    return tuple(rule for rule in FIXED[model] if roles.issuperset(rule.needs))
