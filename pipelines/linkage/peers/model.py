"""One Splink model in the words of every peer: DuckDB's SQL, Spark's, and padron's generation.

Comparisons come from Splink's library in the dialect that is asked for; m and u are trained once, on
DuckDB, and carried over level by level, so that all peers score a pair alike.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from pipelines.errors import PadronError
from pipelines.linkage.config import Blocking, Linkage
from pipelines.linkage.engine import quiet_splink
from pipelines.linkage.generations import Generation, Model
from pipelines.linkage.peers import ID
from pipelines.linkage.relation import no_relations
from pipelines.linkage.vocabulary import own_rules

Json = dict[str, Any]
Rules = Sequence[Sequence[str]]

FREQUENT = 0.0002
"""Share of the records from which a value counts with its own frequency: a rarer one counts as rare as this."""
U_PAIRS = 1_000_000
EM_RULES = (("email",), ("birth_date",), ("given_name", "surname"))
UNSEEN = 1e-6
"""u of a level that no random pair has."""
RECALL = 0.7
"""Share of the true pairs that the rules find by which the prior is counted."""
IN_PEOPLE = {"email": "email_first", "phone": "phone_first"}
"""The columns of the records that padron's table ``people`` calls otherwise."""
FIELDS = {
    "given_name": "given_name",
    "surname": "surname",
    "birth_date": "birth_date",
    "city": "city",
    "postal_code": "postal_code",
    "emails": "emails",
    "phones": "phones",
}
"""The roles of the records in placement many, each by the column that ``padron_many`` gives it."""
NO_CAP = 100_000_000
"""Records in a block that padron subdivides: never, because Splink never does."""


@dataclass(frozen=True)
class Trained:
    """m and u of every level by comparison, in Splink's order of levels, and the prior."""

    shares: Mapping[str, Sequence[Sequence[float] | None]]
    prior: float
    records: int
    """Records that it was trained on."""

    def prior_of(self, records: int) -> float:
        """The prior among so many records of the same kind: matches grow with records, pairs with their square."""
        return self.prior * self.records / records


def train(records: pa.Table, seed: int) -> Trained:
    """Train the model on ``records`` by Splink on DuckDB: u from random pairs, m by expectation maximisation.

    Raises PadronError where a level stays untrained: the records are too few.
    """
    quiet_splink()
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        api = DuckDBAPI(connection)
        people = api.register(records, table_name="records_to_train_on")
        linker = Linker(people, _plain("duckdb", (), {}, None), log_level=logging.CRITICAL)
        training = linker.training
        training.estimate_probability_two_random_records_match(
            [block_on("email"), block_on("phone"), block_on("given_name", "surname", "birth_date")],
            recall=RECALL,
        )
        training.estimate_u_using_random_sampling(max_pairs=U_PAIRS, seed=seed, num_chunks=1)
        for rule in EM_RULES:
            training.estimate_parameters_using_expectation_maximisation(
                block_on(*rule), record_sample_proportion=1.0
            )
        plain = linker.misc.save_model_to_json()
    shares = {}
    for comparison in plain["comparisons"]:
        levels = comparison["comparison_levels"]
        shares[comparison["output_column_name"]] = [_shares(level, len(records)) for level in levels]
    return Trained(shares, float(plain["probability_two_random_records_match"]), len(records))


def _shares(level: Json, records: int) -> tuple[float, float] | None:
    if level.get("is_null_level"):
        return None
    found = level.get("m_probability"), level.get("u_probability")
    if not isinstance(found[0], float):
        raise PadronError(
            f"bench: {records:,} records are too few to train {level['label_for_charts']}: raise trained_on."
        )
    # Sums over threads differ in the last digits; what all peers are given must not.
    m, u = (float(f"{value:.6g}") if isinstance(value, float) else UNSEEN for value in found)
    return m, u


def splink_settings(trained: Trained, dialect: str, rules: Rules, records: int) -> Json:
    """Settings for Splink on ``dialect`` (duckdb, spark), over the records as the file has them."""
    plain = _plain(dialect, rules, {}, trained)
    return {**plain, "probability_two_random_records_match": trained.prior_of(records)}


def generation(
    trained: Trained, rules: Rules, records: int, frequencies: Mapping[str, Mapping[str, float]], cut: float
) -> Generation:
    """The model as padron's generation, for placement many: no relation model, so Splink's weight decides.

    ``frequencies``: share of each value above ``FREQUENT``, by column; ``cut``: probability of a link.
    """
    settings = {
        **_plain("duckdb", (), IN_PEOPLE, trained),
        "probability_two_random_records_match": trained.prior_of(records),
        "unique_id_column_name": "node",
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,
        "additional_columns_to_retain": [],
    }
    chosen = own_rules(many_conf(Linkage(), rules))
    person = Model(settings, frequencies, FREQUENT, "trained", no_relations("person"), chosen)
    nobody = Model({**settings, "comparisons": []}, {}, FREQUENT, "starter", no_relations("company"))
    return Generation({"person": person, "company": nobody}, (), cut, date(2026, 7, 1), records, 0)


def many_conf(conf: Linkage, rules: Rules) -> Linkage:
    """``conf`` for the records of the benchmark: their roles and rules, blocks as whole as Splink's."""
    terms = tuple(tuple(_in_people(term) for term in rule) for rule in rules)
    blocking = Blocking(rules=terms, max_block=NO_CAP)
    return conf.model_copy(update={"fields": FIELDS, "blocking": blocking, "never": (), "rules": ()})


def frequent_values(path: str) -> dict[str, dict[str, float]]:
    """Share of each frequent value among the records of a Parquet file that have one, by column."""
    found = {}
    with duckdb.connect() as connection:
        for column in ("city", "given_name", "surname"):
            rows = connection.execute(
                f"""SELECT {column}, count(*) / sum(count(*)) OVER () AS share FROM read_parquet($path)
                WHERE {column} IS NOT NULL GROUP BY {column}
                QUALIFY share > {FREQUENT} ORDER BY {column}""",
                {"path": path},
            ).fetchall()
            found[column] = dict(rows)
    return found


def _in_people(term: str) -> str:
    return IN_PEOPLE.get(term, term)


def _comparisons(names: Mapping[str, str]) -> list[Any]:
    email, phone = names.get("email", "email"), names.get("phone", "phone")
    return [
        cl.JaroWinklerAtThresholds("given_name", [0.92, 0.85]).configure(term_frequency_adjustments=True),
        cl.JaroWinklerAtThresholds("surname", [0.92, 0.85]).configure(term_frequency_adjustments=True),
        cl.AbsoluteDateDifferenceAtThresholds(
            "birth_date", input_is_string=False, metrics=["day", "year"], thresholds=[10, 1]
        ),
        cl.ExactMatch("city").configure(term_frequency_adjustments=True),
        cl.LevenshteinAtThresholds("postal_code", 1),
        cl.LevenshteinAtThresholds(email, 2),
        cl.LevenshteinAtThresholds(phone, 1),
    ]


def _plain(dialect: str, rules: Rules, names: Mapping[str, str], trained: Trained | None) -> Json:
    made: Json = SettingsCreator(
        link_type="dedupe_only",
        comparisons=_comparisons(names),
        blocking_rules_to_generate_predictions=[block_on(*rule) for rule in rules],
        unique_id_column_name=ID,
        retain_matching_columns=False,
    ).create_settings_dict(dialect)
    plain = copy.deepcopy(made)
    own = {there: here for here, there in names.items()}
    for comparison in plain["comparisons"]:
        name = comparison["output_column_name"]
        for at, level in enumerate(comparison["comparison_levels"]):
            if level.get("tf_adjustment_column"):
                level["tf_minimum_u_value"] = FREQUENT
            known = trained.shares[own.get(name, name)][at] if trained is not None else None
            if known is not None:
                level["m_probability"], level["u_probability"] = known
    return plain
