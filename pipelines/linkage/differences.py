"""What two generations do differently, without looking at a record."""

from __future__ import annotations

import math
from typing import Any

from pipelines.linkage.generations import Generation, Model

Json = dict[str, Any]
LEAST_BITS = 0.005
"""Weights closer than this read the same."""


def weights(model: Model) -> dict[tuple[str, str], dict[str, float]]:
    """m, u and weight (bits) of every level, by (comparison, level), in the order of the model."""
    found = {}
    for comparison in model.settings["comparisons"]:
        for level in comparison["comparison_levels"]:
            if not level.get("is_null_level"):
                m, u = level["m_probability"], level["u_probability"]
                name = comparison["output_column_name"], level["label_for_charts"]
                found[name] = {"m": m, "u": u, "weight": math.log2(m / u)}
    return found


def differences(a: Generation, b: Generation) -> Json:
    """What changes from ``a`` to ``b``: by party type, generic values and over-large keys counted, the cut."""
    left, right = set(a.generic), set(b.generic)
    keys_a, keys_b = ({key[:3]: key[3:] for key in g.over_large} for g in (a, b))
    return {
        "from": a.generation_id,
        "to": b.generation_id,
        "cut": [a.cut, b.cut],
        "records": [a.records, b.records],
        "pairs": [a.pairs, b.pairs],
        "generic_values": {
            role: {
                "added": sum(r == role for r, _ in right - left),
                "removed": sum(r == role for r, _ in left - right),
                "kept": sum(r == role for r, _ in left & right),
            }
            for role in sorted({r for r, _ in left | right})
        },
        "over_large_keys": {
            "added": len(keys_b.keys() - keys_a.keys()),
            "removed": len(keys_a.keys() - keys_b.keys()),
            "subdivided_otherwise": sum(keys_a[key] != keys_b[key] for key in keys_a.keys() & keys_b.keys()),
            "kept": sum(keys_a[key] == keys_b[key] for key in keys_a.keys() & keys_b.keys()),
        },
        "models": {name: _models(a.models[name], b.models[name]) for name in a.models if name in b.models},
        "only_one": sorted(set(a.models) ^ set(b.models)),
    }


def _models(a: Model, b: Model) -> Json:
    left, right = weights(a), weights(b)
    changed = [
        {"comparison": key[0], "level": key[1], "from": _weight(left, key), "to": _weight(right, key)}
        for key in dict.fromkeys([*left, *right])
        if _moved(_weight(left, key), _weight(right, key))
    ]
    prior = "probability_two_random_records_match"
    return {
        "kind": [a.kind, b.kind],
        "prior": [a.settings[prior], b.settings[prior]],
        "weights": changed,
        "same_weights": len(dict.fromkeys([*left, *right])) - len(changed),
        "rules_added": [rule.name for rule in b.rules if rule not in a.rules],
        "rules_removed": [rule.name for rule in a.rules if rule not in b.rules],
        "frequent_values": [sum(map(len, m.frequencies.values())) for m in (a, b)],
        "relations": {
            kind: [a.relations.shares.get(kind), b.relations.shares.get(kind)]
            for kind in dict.fromkeys([*a.relations.shares, *b.relations.shares])
        },
        "relations_trusted": [a.relations.trusted, b.relations.trusted],
    }


def _weight(found: dict[tuple[str, str], dict[str, float]], key: tuple[str, str]) -> float | None:
    return found[key]["weight"] if key in found else None


def _moved(a: float | None, b: float | None) -> bool:
    return a is None or b is None or abs(a - b) >= LEAST_BITS
