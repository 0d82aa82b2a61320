"""The kinds of relation that two records may have, and the expert profile that each starts from."""

from __future__ import annotations

SAME = "same_person"
OTHER = "other"

PROFILES: dict[str, dict[str, dict[str, tuple[float, ...]]]] = {
    "person": {
        SAME: {
            "given_name": (0.55, 0.22, 0.08, 0.08, 0.01, 0.02, 0.02, 0.01, 0.01),
            "surname": (0.85, 0.08, 0.03, 0.01, 0.03),
            "second_surname": (0.85, 0.06, 0.05, 0.04),
            "birth_date": (0.93, 0.04, 0.004, 0.006, 0.008, 0.012),
            "email_births": (0.3, 0.3, 0.4),
            "emails": (0.75, 0.05, 0.02, 0.18),
            "phones": (0.80, 0.03, 0.17),
            "tax_id": (0.97, 0.03),
            "postal_code": (0.40, 0.05, 0.30, 0.10, 0.03, 0.12),
            "loyalty_id": (0.60, 0.03, 0.37),
        },
        "household": {
            "given_name": (0.01, 0.02, 0.005, 0.005, 0.001, 0.005, 0.045, 0.01, 0.899),
            "surname": (0.60, 0.05, 0.10, 0.01, 0.24),
            "second_surname": (0.40, 0.05, 0.03, 0.52),
            "birth_date": (0.10, 0.02, 0.002, 0.03, 0.25, 0.598),
            "email_births": (0.01, 0.04, 0.95),
            "emails": (0.25, 0.02, 0.02, 0.71),
            "phones": (0.40, 0.01, 0.59),
            "tax_id": (0.001, 0.999),
            "postal_code": (0.66, 0.04, 0.20, 0.05, 0.01, 0.04),
            "loyalty_id": (0.01, 0.001, 0.989),
        },
        "twin": {
            "given_name": (0.01, 0.03, 0.01, 0.01, 0.001, 0.009, 0.13, 0.02, 0.78),
            "surname": (0.93, 0.05, 0.01, 0.005, 0.005),
            "second_surname": (0.92, 0.05, 0.02, 0.01),
            "birth_date": (0.97, 0.02, 0.001, 0.002, 0.002, 0.005),
            "email_births": (0.3, 0.3, 0.4),
            "emails": (0.05, 0.05, 0.05, 0.85),
            "phones": (0.25, 0.01, 0.74),
            "tax_id": (0.001, 0.999),
            "postal_code": (0.66, 0.04, 0.20, 0.05, 0.01, 0.04),
            "loyalty_id": (0.01, 0.001, 0.989),
        },
        "parent_child": {
            "given_name": (0.70, 0.15, 0.05, 0.03, 0.001, 0.019, 0.03, 0.005, 0.015),
            "surname": (0.93, 0.05, 0.01, 0.005, 0.005),
            "second_surname": (0.10, 0.03, 0.02, 0.85),
            "birth_date": (0.005, 0.005, 0.001, 0.001, 0.01, 0.978),
            "email_births": (0.005, 0.03, 0.965),
            "emails": (0.10, 0.05, 0.10, 0.75),
            "phones": (0.40, 0.01, 0.59),
            "tax_id": (0.001, 0.999),
            "postal_code": (0.56, 0.04, 0.20, 0.10, 0.01, 0.09),
            "loyalty_id": (0.01, 0.001, 0.989),
        },
        "namesake": {
            "given_name": (0.60, 0.25, 0.08, 0.03, 0.001, 0.019, 0.01, 0.005, 0.005),
            "surname": (0.93, 0.05, 0.01, 0.005, 0.005),
            "second_surname": (0.05, 0.03, 0.01, 0.91),
            "birth_date": (0.01, 0.01, 0.003, 0.03, 0.25, 0.697),
            "email_births": (0.005, 0.03, 0.965),
            "emails": (0.02, 0.10, 0.10, 0.78),
            "phones": (0.005, 0.001, 0.994),
            "tax_id": (0.001, 0.999),
            "postal_code": (0.008, 0.002, 0.04, 0.10, 0.01, 0.84),
            "loyalty_id": (0.001, 0.001, 0.998),
        },
        "other": {
            "given_name": (0.05, 0.05, 0.02, 0.01, 0.001, 0.009, 0.06, 0.01, 0.79),
            "surname": (0.15, 0.03, 0.07, 0.01, 0.74),
            "second_surname": (0.03, 0.03, 0.01, 0.93),
            "birth_date": (0.05, 0.02, 0.003, 0.03, 0.25, 0.647),
            "email_births": (0.005, 0.03, 0.965),
            "emails": (0.02, 0.10, 0.02, 0.86),
            "phones": (0.05, 0.001, 0.949),
            "tax_id": (0.001, 0.999),
            "postal_code": (0.02, 0.01, 0.25, 0.10, 0.01, 0.61),
            "loyalty_id": (0.001, 0.001, 0.998),
        },
    },
    "company": {
        SAME: {
            "company_name": (0.75, 0.15, 0.05, 0.05),
            "tax_id": (0.97, 0.03),
            "emails": (0.70, 0.10, 0.05, 0.15),
            "phones": (0.80, 0.03, 0.17),
            "postal_code": (0.40, 0.05, 0.30, 0.10, 0.03, 0.12),
        },
        "related": {
            "company_name": (0.05, 0.05, 0.10, 0.80),
            "tax_id": (0.001, 0.999),
            "emails": (0.40, 0.20, 0.05, 0.35),
            "phones": (0.40, 0.01, 0.59),
            "postal_code": (0.56, 0.04, 0.20, 0.10, 0.01, 0.09),
        },
        "other": {
            "company_name": (0.02, 0.03, 0.25, 0.70),
            "tax_id": (0.001, 0.999),
            "emails": (0.01, 0.50, 0.02, 0.47),
            "phones": (0.02, 0.001, 0.979),
            "postal_code": (0.02, 0.01, 0.10, 0.20, 0.01, 0.66),
        },
    },
}
"""Share of each level (the strongest first) by kind of relation and role; expert values, from no dataset."""

SHARES: dict[str, dict[str, float]] = {
    "person": {
        SAME: 0.3,
        "household": 0.14,
        "twin": 0.01,
        "parent_child": 0.05,
        "namesake": 0.25,
        "other": 0.25,
    },
    "company": {SAME: 0.3, "related": 0.1, "other": 0.6},
}
"""Share of each kind among candidate pairs, to start from."""

BY_CHANCE: dict[str, dict[str, tuple[str, ...]]] = {
    "person": {
        "household": ("given_name", "birth_date"),
        "twin": ("given_name",),
        "parent_child": ("second_surname", "birth_date"),
        "namesake": ("given_name", "surname", "second_surname", "birth_date"),
        "other": ("given_name", "surname", "second_surname", "birth_date"),
    },
    "company": {"related": (), "other": ("company_name",)},
}
"""Roles that agree by chance in a kind: there a rare value speaks against it."""
