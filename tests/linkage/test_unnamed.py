"""Classes of relation without a name: what the pairs themselves say where nobody knows the comparisons."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import splink.comparison_library as cl
from splink import SettingsCreator, block_on

from pipelines.cli import execute
from pipelines.linkage.relation import Relations, classify, informed, pooled
from pipelines.linkage.unnamed import BETWEEN, fit_unnamed

ROLES = ("a", "b", "c", "d", "e", "f")
M = (0.8, 0.1, 0.1)
U = (0.05, 0.05, 0.9)
KIN = {"a", "b"}
"""What the third kind of pairs differs in, both at once; the rest agrees as one person's does."""
EVERY_PAIR = 2_000_000.0


def settings() -> dict[str, Any]:
    def levels() -> list[dict[str, Any]]:
        null = {"sql_condition": "x_l IS NULL OR x_r IS NULL", "is_null_level": True}
        return [null, *({"m_probability": m, "u_probability": u} for m, u in zip(M, U, strict=True))]

    return {"comparisons": [{"output_column_name": r, "comparison_levels": levels()} for r in ROLES]}


def scored(seed: int = 7, pairs: int = 6000, kin: float = 0.2) -> tuple[pa.Table, np.ndarray[Any, Any]]:
    """Pairs of one person (half), kin and others, as Splink would score them; which are kin."""
    random = np.random.default_rng(seed)
    kind = random.choice(3, size=pairs, p=[0.5, kin, 0.5 - kin])
    columns, weight = {}, np.full(pairs, np.log2(0.01))
    for role in ROLES:
        of_kin = U if role in KIN else M
        drawn = np.empty(pairs, np.int64)
        for k, shares in enumerate((M, of_kin, U)):
            drawn[kind == k] = random.choice([2, 1, 0], size=int((kind == k).sum()), p=shares)
        columns[f"gamma_{role}"] = drawn
        weight += np.log2(np.array(M) / np.array(U))[::-1][drawn]
    odds = np.exp2(weight)
    table = pa.table({**columns, "match_probability": odds / (1 + odds)})
    return table, kind == 1


def test_a_class_takes_what_differs_in_several_comparisons_at_once() -> None:
    pairs, is_kin = scored()
    relations = fit_unnamed("mine", pairs, settings(), EVERY_PAIR, seed=1)
    assert (relations.trusted, relations.doubt, relations.is_unnamed) == (True, None, True)
    probability, relation = classify(relations, pairs)
    splink = pairs["match_probability"].to_numpy()
    names, found = np.unique(relation[is_kin].astype(str), return_counts=True)
    assert names[found.argmax()] in BETWEEN, "most kin share a class of their own"
    assert relations.shares[names[found.argmax()]] == pytest.approx(0.2, abs=0.06)
    # Splink's own belief says what the class counts as; here it takes kin for one person, and so do the pooled.
    assert ((probability > 0.5) == (splink > 0.5)).mean() > 0.9
    assert informed(relations, pairs).tolist() == [1.0] * pairs.num_rows


def test_the_seed_decides_and_the_order_of_pairs_does_not() -> None:
    pairs, _ = scored()
    one = fit_unnamed("mine", pairs, settings(), EVERY_PAIR, seed=1)
    assert fit_unnamed("mine", pairs, settings(), EVERY_PAIR, seed=1) == one
    turned = pairs.take(np.arange(pairs.num_rows)[::-1])
    again = fit_unnamed("mine", turned, settings(), EVERY_PAIR, seed=1)
    assert again.shares == pytest.approx(one.shares, abs=1e-6)
    assert Relations.from_json(json.loads(json.dumps(one.as_json(), sort_keys=True))) == one


def test_too_few_patterns_leave_the_word_to_splink() -> None:
    pairs, _ = scored(pairs=40)
    relations = fit_unnamed("mine", pairs, settings(), EVERY_PAIR, seed=1)
    assert relations.doubt is not None
    assert relations.doubt.startswith("has too few patterns")
    probability, relation = classify(relations, pairs)
    assert probability.tolist() == pairs["match_probability"].to_pylist()
    assert set(relation) == {None}
    assert fit_unnamed("mine", pairs.slice(0, 0), settings(), EVERY_PAIR, seed=1).trusted is False


def test_classes_that_explain_nothing_more_are_not_trusted() -> None:
    pairs, _ = scored(kin=0.0)
    relations = fit_unnamed("mine", pairs, settings(), EVERY_PAIR, seed=1)
    assert relations.doubt == "makes the pairs no likelier than Splink's model does"
    assert classify(relations, pairs)[0].tolist() == pairs["match_probability"].to_pylist()


def test_two_opinions_are_pooled_by_their_log_odds() -> None:
    one, other = np.array([0.9, 0.0, 1.0, 0.8]), np.array([0.9, 0.5, 0.5, 0.2])
    found = pooled(one, other)
    assert found[[0, 3]] == pytest.approx([0.9, 0.5])
    assert 0 < found[1] < 1e-5 < 1 - 1e-5 < found[2] < 1


def people(folder: Path) -> tuple[Path, Path]:
    """A file of three records a person, of whom some moved (columns e and f), and settings of six comparisons."""
    random = Random(5)
    rows = []
    for n in range(700):
        person = {c: f"{c}{random.randrange(40 if c < 'c' else 900)}" for c in ROLES}
        for copy in range(3):
            slip = {c: f"{v}x" if random.random() < 0.12 else v for c, v in person.items()}
            if random.random() < 0.25:
                slip |= {c: f"{c}{random.randrange(900)}" for c in "ef"}
            rows.append({"key": 3 * n + copy, "person": n, **slip})
    file, model = folder / "people.csv", folder / "settings.json"
    pacsv.write_csv(pa.Table.from_pylist(rows), file)
    made = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[cl.LevenshteinAtThresholds(c, [1]) for c in ROLES],
        blocking_rules_to_generate_predictions=[block_on("a", "b"), block_on("c"), block_on("d")],
        unique_id_column_name="key",
    ).create_settings_dict("duckdb")
    model.write_text(json.dumps(made), encoding="utf-8")
    return file, model


def test_a_file_is_linked_by_settings_and_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, model = people(tmp_path)
    where = ["link", str(file), "--id", "key", "--settings", str(model), "--truth", "person"]
    assert execute([*where, "--out", str(tmp_path / "splink")]) == 0
    assert execute([*where, "--out", str(tmp_path / "classes"), "--relations"]) == 0
    assert "classes of relation decide beside Splink's weight" in " ".join(capsys.readouterr().out.split())
    plain, classes = (
        {(r["key_l"], r["key_r"]): r for r in pq.read_table(tmp_path / out / "pairs.parquet").to_pylist()}
        for out in ("splink", "classes")
    )
    both = plain.keys() & classes.keys()
    assert len(both) > 1500
    assert all(abs(plain[p]["match_weight"] - classes[p]["match_weight"]) < 1e-9 for p in both), (
        "Splink's, still"
    )
    assert {row["decided_by"] for row in classes.values()} == {"relation"}
    assert {row["relation"] for row in classes.values()} <= {"same_person", *BETWEEN, "other"}
    assert json.loads((tmp_path / "classes" / "report.json").read_text())["quality"]["f1"] > 0.95
    assert execute(["link", str(file), "--id", "key", "--relations"]) == 2
    assert "--relations goes with --settings" in capsys.readouterr().err
