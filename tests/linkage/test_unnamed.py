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
from pipelines.linkage.foreign import read_foreign
from pipelines.linkage.foreign_training import told_apart
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


def scored(
    seed: int = 7, pairs: int = 6000, kin: float = 0.2, base: float = 0.01
) -> tuple[pa.Table, np.ndarray[Any, Any]]:
    """Pairs of one person (half), kin and others, as Splink would score them; which are kin."""
    random = np.random.default_rng(seed)
    kind = random.choice(3, size=pairs, p=[0.5, kin, 0.5 - kin])
    columns, weight = {}, np.full(pairs, np.log2(base))
    for role in ROLES:
        of_kin = U if role in KIN else M
        drawn = np.empty(pairs, np.int64)
        for k, shares in enumerate((M, of_kin, U)):
            drawn[kind == k] = random.choice([2, 1, 0], size=int((kind == k).sum()), p=shares)
        columns[f"gamma_{role}"] = drawn
        weight += np.log2(np.array(M) / np.array(U))[::-1][drawn]
    odds = np.exp2(weight)
    table = pa.table({**columns, "match_probability": odds / (1 + odds), "is_person": kind == 0})
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


@pytest.mark.parametrize("base", [0.0001, 0.0005, 0.002, 0.008])
def test_whatever_splink_makes_of_a_class_few_more_pairs_are_wrong(base: float) -> None:
    """Kin that Splink takes for others, for either, and for one person: a class is not turned over whole."""
    pairs, _ = scored(base=base, kin=0.3)
    relations = fit_unnamed("mine", pairs, settings(), EVERY_PAIR, seed=1)
    probability, _ = classify(relations, pairs)
    is_person = pairs["is_person"].to_numpy()
    wrong = ((probability > 0.5) != is_person).sum()
    assert wrong <= 1.25 * ((pairs["match_probability"].to_numpy() > 0.5) != is_person).sum()


def test_rarity_makes_no_patterns() -> None:
    pairs, _ = scored()
    rare = np.random.default_rng(2).normal(0, 4, pairs.num_rows)
    one = pairs.select(["gamma_a", "match_probability"]).append_column("rarity_a", pa.array(rare))
    only = {"comparisons": settings()["comparisons"][:1]}
    doubt = fit_unnamed("mine", one, only, EVERY_PAIR, seed=1).doubt
    assert doubt == "has too few patterns, 3 for the 12 figures of its classes"


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


def test_levels_that_weigh_the_same_or_nothing_or_were_never_seen_are_told_apart(tmp_path: Path) -> None:
    file, model = people(tmp_path)
    plain = json.loads(model.read_text(encoding="utf-8"))
    for comparison in plain["comparisons"]:
        _, *levels = comparison["comparison_levels"]
        for level, (m, u) in zip(levels, [(0.8, 0.02), (0.1, 0.1), (0.1, 0.88)], strict=True):
            level.update(m_probability=m, u_probability=u)
    first, second = (comparison["comparison_levels"] for comparison in plain["comparisons"][:2])
    del first[2]["m_probability"]
    second[3].update(m_probability=0.1, u_probability=0.1)
    plain["comparisons"][2]["output_column_name"] = "column c"
    plain["probability_two_random_records_match"] = 0.001
    model.write_text(json.dumps(plain), encoding="utf-8")
    foreign = read_foreign(str(model))
    told = told_apart(foreign.settings)
    for comparison in told["comparisons"]:
        levels = [level for level in comparison["comparison_levels"] if not level.get("is_null_level")]
        weights = [0.0, *(np.log2(level["m_probability"] / level["u_probability"]) for level in levels)]
        assert np.diff(np.sort(weights)).min() > 1.2e-7
    where = ["link", str(file), "--id", "key", "--settings", str(model), "--out", str(tmp_path / "out")]
    assert execute([*where, "--relations"]) == 0
    assert execute([*where[:-1], str(tmp_path / "plain")]) == 0
    found, plainly = (
        {
            (r["key_l"], r["key_r"]): r["match_weight"]
            for r in pq.read_table(tmp_path / out / "pairs.parquet").to_pylist()
        }
        for out in ("out", "plain")
    )
    assert max(abs(found[p] - plainly[p]) for p in found.keys() & plainly.keys()) < 1e-6, (
        "Splink's weights, still"
    )


def test_files_of_which_none_holds_a_party_twice_have_classes_too(tmp_path: Path) -> None:
    file, model = people(tmp_path)
    plain = json.loads(model.read_text(encoding="utf-8"))
    model.write_text(json.dumps({**plain, "link_type": "link_only"}), encoding="utf-8")
    whole = pacsv.read_csv(file)
    copy = np.asarray(whole["key"]) % 3
    for n in range(2):
        pacsv.write_csv(whole.filter(pa.array(copy == n)), tmp_path / f"part{n}.csv")
    where = [str(tmp_path / f"part{n}.csv") for n in range(2)]
    more = ["--id", "key", "--settings", str(model), "--link-only", "--relations", "--truth", "person"]
    assert execute(["link", *where, *more, "--out", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["quality"]["f1"] > 0.95
    pairs = pq.read_table(tmp_path / "out" / "pairs.parquet")
    assert set(pairs["source_l"].to_pylist()) == {"part0"}
    assert set(pairs["source_r"].to_pylist()) == {"part1"}


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
