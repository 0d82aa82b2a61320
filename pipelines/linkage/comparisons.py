"""How two records are compared, by role: Splink comparisons with the values of the starter model.

A level's ``m`` is the share of true pairs in it, its ``u`` that of random pairs, both among pairs
where the role is known on both sides. They are the starter model and stand in for levels that
training could not observe; they are rounded expert values, taken from no dataset.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipelines.linkage.categories import open_comparisons
from pipelines.linkage.levels import Comparison, Level

Json = dict[str, Any]
Own = Mapping[str, Comparison]
NONE: Own = MappingProxyType({})


def _either(column: str) -> str:
    return f"{column}_l IS NULL OR {column}_r IS NULL"


def _equal(column: str) -> str:
    return f"{column}_l = {column}_r"


def _alike(left: str, right: str, least: float) -> str:
    return f"jaro_winkler_similarity({left}, {right}) >= {least}"


# Where a name stands in its own place on both sides, the dearer similarities are not looked at.
_SWAPPED = (
    "(given_name_l <> given_name_r AND surname_l <> surname_r AND "
    f"{_alike('given_name_l', 'surname_r', 0.9)} AND {_alike('surname_l', 'given_name_r', 0.9)})"
)

GIVEN_NAME = Comparison(
    "given_name",
    _either("given_name"),
    (
        Level("equal", _equal("given_name"), 0.55, 0.01, "given_name"),
        Level(
            "one holds the other",
            "list_has_all(given_tokens_l, given_tokens_r) OR list_has_all(given_tokens_r, given_tokens_l)",
            0.22,
            0.02,
            "given_name",
        ),
        Level(
            "short form",
            "list_has_any(given_formal_l, given_formal_r)"
            " AND least(len(given_tokens_l), len(given_tokens_r)) = 1",
            0.08,
            0.005,
            "given_name",
        ),
        Level(
            "misspelt",
            "jaro_winkler_similarity(given_name_l, given_name_r) >= 0.92",
            0.08,
            0.004,
            "given_name",
        ),
        Level(
            "in the surname's place",
            _SWAPPED,
            0.01,
            0.00001,
        ),
        Level(
            "initial",
            "least(length(given_name_l), length(given_name_r)) = 1"
            " AND left(given_name_l, 1) = left(given_name_r, 1)",
            0.02,
            0.003,
        ),
        Level("one name in common", "list_has_any(given_formal_l, given_formal_r)", 0.02, 0.019),
        Level("alike", _alike("given_name_l", "given_name_r", 0.8), 0.01, 0.008),
        Level("different", None, 0.01, 0.93099),
    ),
)

SURNAME = Comparison(
    "surname",
    # Swapped with the given name it has been counted there, and says nothing more.
    f"{_either('surname')} OR coalesce({_SWAPPED}, false)",
    (
        Level("equal", _equal("surname"), 0.85, 0.008, "surname"),
        Level(
            "sounds alike or misspelt",
            "surname_phonetic_l = surname_phonetic_r OR jaro_winkler_similarity(surname_l, surname_r) >= 0.9",
            0.08,
            0.004,
            "surname",
        ),
        Level(
            "elsewhere in the name",
            "surname_l = second_surname_r OR second_surname_l = surname_r"
            " OR list_contains(name_tokens_l, surname_r) OR list_contains(name_tokens_r, surname_l)",
            0.03,
            0.015,
        ),
        Level("alike", _alike("surname_l", "surname_r", 0.8), 0.01, 0.006),
        Level("different", None, 0.03, 0.967),
    ),
)

SECOND_SURNAME = Comparison(
    "second_surname",
    _either("second_surname"),
    (
        Level("equal", _equal("second_surname"), 0.85, 0.008, "second_surname"),
        Level(
            "initial",
            "least(length(second_surname_l), length(second_surname_r)) = 1"
            " AND left(second_surname_l, 1) = left(second_surname_r, 1)",
            0.06,
            0.01,
        ),
        Level("misspelt", "jaro_winkler_similarity(second_surname_l, second_surname_r) >= 0.9", 0.05, 0.004),
        Level("different", None, 0.04, 0.978),
    ),
)


def _within(days: int) -> str:
    return f"abs(date_diff('day', birth_date_l, birth_date_r)) <= {days}"


BIRTH_DATE = Comparison(
    "birth_date",
    _either("birth_date"),
    (
        Level("equal", _equal("birth_date"), 0.93, 0.00005, "birth_date"),
        Level(
            "one slip",
            "damerau_levenshtein(birth_text_l, birth_text_r) <= 1 OR birth_text_l = birth_swapped_r",
            0.04,
            0.0012,
        ),
        Level("within a month", _within(31), 0.004, 0.0015),
        Level("within a year", _within(366), 0.006, 0.028),
        Level("within ten years", _within(3653), 0.008, 0.25),
        Level("different", None, 0.012, 0.71925),
    ),
)

_BIRTH_OF_ONE = (
    "(birth_text_l IS NOT NULL AND birth_text_r IS NULL AND email_births_r IS NOT NULL)"
    " OR (birth_text_r IS NOT NULL AND birth_text_l IS NULL AND email_births_l IS NOT NULL)"
)

EMAIL_BIRTHS = Comparison(
    "email_births",
    f"NOT ({_BIRTH_OF_ONE})",
    (
        Level(
            "the day fits",
            "coalesce(list_contains(email_births_r, birth_day_l), false)"
            " OR coalesce(list_contains(email_births_l, birth_day_r), false)",
            0.3,
            0.003,
        ),
        Level(
            "the year fits",
            "coalesce(list_contains(email_births_r, birth_year_l), false)"
            " OR coalesce(list_contains(email_births_l, birth_year_r), false)",
            0.3,
            0.02,
        ),
        Level("neither", None, 0.4, 0.977),
    ),
)
"""The birth date of one record and the digits in the other's e-mail; where both have a date, it decides."""

EMAILS = Comparison(
    "emails",
    _either("emails"),
    (
        Level("one in common", "list_has_any(emails_l, emails_r)", 0.75, 0.00005),
        Level("same name at another provider", "list_has_any(email_locals_l, email_locals_r)", 0.05, 0.0005),
        Level("misspelt", "jaro_winkler_similarity(email_first_l, email_first_r) >= 0.95", 0.02, 0.00025),
        Level("different", None, 0.18, 0.9992),
    ),
)

PHONES = Comparison(
    "phones",
    _either("phones"),
    (
        Level("one in common", "list_has_any(phones_l, phones_r)", 0.8, 0.00005),
        Level("one digit off", "damerau_levenshtein(phone_first_l, phone_first_r) <= 1", 0.03, 0.00005),
        Level("different", None, 0.17, 0.9999),
    ),
)

TAX_ID = Comparison(
    "tax_id",
    # A person has ids of several kinds: an RFC is no evidence against a CURP.
    f"{_either('tax_id')} OR coalesce(tax_id_type_l <> tax_id_type_r, false)",
    (
        Level("equal", _equal("tax_id"), 0.97, 0.00001),
        Level("different", None, 0.03, 0.99999),
    ),
)

ADDRESS = Comparison(
    "postal_code",
    "(postal_code_l IS NULL OR postal_code_r IS NULL) AND (city_l IS NULL OR city_r IS NULL)",
    (
        Level(
            "street and place",
            "street_l = street_r AND (postal_code_l = postal_code_r OR city_l = city_r)",
            0.4,
            0.0002,
        ),
        Level("street alike", _alike("street_l", "street_r", 0.92), 0.05, 0.002),
        Level("postal code", _equal("postal_code"), 0.3, 0.003),
        Level("city", _equal("city"), 0.1, 0.04),
        Level(
            "place misspelt",
            f"damerau_levenshtein(postal_code_l, postal_code_r) <= 1 OR {_alike('city_l', 'city_r', 0.9)}",
            0.03,
            0.006,
        ),
        Level("different", None, 0.12, 0.9488),
    ),
)

LOYALTY_ID = Comparison(
    "loyalty_id",
    _either("loyalty_id"),
    (
        Level("equal", _equal("loyalty_id"), 0.6, 0.00001),
        Level("one slip", "damerau_levenshtein(loyalty_id_l, loyalty_id_r) <= 1", 0.03, 0.00002),
        Level("different", None, 0.37, 0.99997),
    ),
)

COMPANY_NAME = Comparison(
    "company_name",
    _either("company_name"),
    (
        Level("equal", _equal("company_name"), 0.75, 0.001, "company_name"),
        Level("misspelt", "jaro_winkler_similarity(company_name_l, company_name_r) >= 0.92", 0.15, 0.002),
        Level("alike", "jaccard(company_name_l, company_name_r) >= 0.8", 0.05, 0.02),
        Level("different", None, 0.05, 0.977),
    ),
)

MODELS: dict[str, tuple[Comparison, ...]] = {
    "person": (
        GIVEN_NAME,
        SURNAME,
        SECOND_SURNAME,
        BIRTH_DATE,
        EMAIL_BIRTHS,
        EMAILS,
        PHONES,
        TAX_ID,
        ADDRESS,
        LOYALTY_ID,
    ),
    "company": (COMPANY_NAME, TAX_ID, EMAILS, PHONES, ADDRESS),
}
"""The comparisons of each party type's model; records of unknown type are compared as persons."""

STARTER_PRIOR = 1e-4
"""Probability that two random records match, before anything is known."""


def comparisons_for(party_type: str, roles: set[str], own: Own = NONE) -> tuple[Comparison, ...]:
    """The comparisons of a party type: its roles that have a column, categories and texts, and ``own``.

    ``own`` are those of conf/linkage.yml by name: one by the name of a role replaces the role's.
    """
    shipped = (*(c for c in MODELS[party_type] if c.role in roles), *open_comparisons(roles))
    of_a_role = {c.role for comparisons in MODELS.values() for c in comparisons} | {c.role for c in shipped}
    added = (own[name] for name in sorted(own) if name not in of_a_role)
    return (*(own.get(c.role, c) for c in shipped), *added)


def is_shipped(party_type: str, comparison: Comparison) -> bool:
    """True for the comparison that padron has for a role, whatever its m and u."""
    shipped = next((c for c in MODELS[party_type] if c.role == comparison.role), None)
    return shipped is not None and [(level.name, level.condition) for level in shipped.levels] == [
        (level.name, level.condition) for level in comparison.levels
    ]


def comparisons_of(settings: Json) -> tuple[Comparison, ...]:
    """The comparisons of a generation's settings, with the m and u that they have there."""
    found = []
    for comparison in settings["comparisons"]:
        missing, *known = comparison["comparison_levels"]
        levels = tuple(
            Level(
                level["label_for_charts"],
                None if level["sql_condition"] == "ELSE" else level["sql_condition"],
                level["m_probability"],
                level["u_probability"],
                level.get("tf_adjustment_column"),
                level.get("tf_adjustment_weight", 1.0),
                level.get("tf_minimum_u_value"),
            )
            for level in known
        )
        found.append(Comparison(comparison["output_column_name"], missing["sql_condition"], levels))
    return tuple(found)


def own_of(party_type: str, settings: Json) -> Own:
    """The comparisons of a generation's settings that are not those that padron has for their role."""
    return {c.role: c for c in comparisons_of(settings) if not is_shipped(party_type, c)}


def level_number(model: str, role: str, name: str, own: Own = NONE) -> int:
    """The number that Splink gives a level: 0 is everything else, the strongest is the highest.

    Of a comparison that conf/linkage.yml replaced, whatever its levels are called: the strongest.
    """
    if role in own:
        return len(own[role].levels) - 1
    levels = next(c.levels for c in MODELS[model] if c.role == role)
    return next(len(levels) - 1 - i for i, level in enumerate(levels) if level.name == name)


def splink_comparison(comparison: Comparison, floor: float, *, starter: bool) -> Json:
    """The comparison in Splink's vocabulary; with the starter's m and u where ``starter``.

    ``floor`` is the frequency of a rare value: no value counts as rarer, where the level names no other.
    """
    levels: list[Json] = [
        {"sql_condition": comparison.missing, "label_for_charts": "unknown", "is_null_level": True}
    ]
    for level in comparison.levels:
        entry: Json = {"sql_condition": level.condition or "ELSE", "label_for_charts": level.name}
        if level.frequency_of is not None:
            entry["tf_adjustment_column"] = level.frequency_of
            entry["tf_adjustment_weight"] = level.frequency_weight
            entry["tf_minimum_u_value"] = floor if level.least_frequency is None else level.least_frequency
        if starter:
            entry["m_probability"] = level.m
            entry["u_probability"] = level.u
        levels.append(entry)
    return {"output_column_name": comparison.role, "comparison_levels": levels}


def splink_settings(
    party_type: str, roles: set[str], floor: float, *, starter: bool, own: Own = NONE
) -> Json:
    """Splink settings of a party type's model, without blocking rules: padron blocks itself."""
    return {
        "link_type": "dedupe_only",
        "sql_dialect": "duckdb",
        "unique_id_column_name": "node",
        "probability_two_random_records_match": STARTER_PRIOR,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,
        "em_convergence": 0.0001,
        "max_iterations": 100,
        "blocking_rules_to_generate_predictions": [],
        "comparisons": [
            splink_comparison(c, floor, starter=starter) for c in comparisons_for(party_type, roles, own)
        ],
    }


def frequency_floors(settings: Json) -> dict[str, float]:
    """The columns whose values' frequencies correct the weights, sorted, with the frequency of a rare value.

    It is the lowest that any level of the column lets count: only what is more frequent has to be known.
    """
    found: dict[str, float] = {}
    for comparison in settings["comparisons"]:
        for level in comparison["comparison_levels"]:
            if "tf_adjustment_column" in level:
                column, floor = level["tf_adjustment_column"], level.get("tf_minimum_u_value", 0.0)
                found[column] = min(floor, found.get(column, floor))
    return dict(sorted(found.items()))
