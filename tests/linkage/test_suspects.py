"""What is suspected inside clusters: two people in one, and clusters that hang by a thread."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pyarrow as pa
from linkage_people import CONF, decisions, record, table

from pipelines.linkage.decided import SETTLED
from pipelines.linkage.link import link_night
from pipelines.linkage.review_queue import review_queue
from pipelines.linkage.suspects import INSIDE, MEMBERS, PARTITION, Suspects, suspects

CUT = 0.8


def member(
    cluster: str, record_id: str, given: str | None = None, born: date | None = None
) -> dict[str, Any]:
    formal = given.split() if given else None
    return {
        "cluster": cluster,
        "source": "crm",
        "record_id": record_id,
        "given": given,
        "formal": formal,
        "born": born,
    }


def pair(cluster: str, left: str, right: str, probability: float) -> dict[str, Any]:
    ends = {"source_l": "crm", "record_id_l": left, "source_r": "crm", "record_id_r": right}
    return {
        "cluster": cluster,
        **ends,
        "probability": probability,
        "relation": "same_person",
        "decided_by": "relation",
    }


def found(
    members: list[Any], pairs: list[Any], confirmed: tuple[str, str] | None = None
) -> list[tuple[Any, ...]]:
    rows = [] if confirmed is None else [["crm", confirmed[0], "crm", confirmed[1]]]
    settled = pa.Table.from_pylist([dict(zip(SETTLED.names, r, strict=True)) for r in rows], schema=SETTLED)
    cases = suspects(
        pa.Table.from_pylist(members, schema=MEMBERS),
        pa.Table.from_pylist(pairs, schema=INSIDE),
        settled,
        CUT,
    )
    return [
        (r["record_id_l"], r["record_id_r"], r["reason"], r["same_person_probability"], r["uncertainty"])
        for r in cases.to_pylist()
    ]


def test_two_birth_dates_and_two_given_names_are_suspected_although_sure() -> None:
    members = [
        member("A", "1", "ana", date(1980, 1, 1)),
        member("A", "2", "ana", date(1980, 1, 2)),
        member("B", "3", "ana"),
        member("B", "4", "hugo"),
        member("C", "5", "ana"),
        member("C", "6", "ana maria"),
        member("C", "7", "anna"),
        member("C", "8"),
    ]
    pairs = [pair("A", "1", "2", 0.99), pair("B", "3", "4", 0.99)]
    assert found(members, pairs) == [
        ("1", "2", "two_birth_dates", 0.99, 0.5),
        ("3", "4", "two_given_names", 0.99, 0.5),
    ]
    assert found(members, pairs, confirmed=("1", "2")) == [("3", "4", "two_given_names", 0.99, 0.5)]


def test_the_weakest_link_of_the_strongest_chain_is_shown() -> None:
    """1-2 and 3-4 are sure, 2-3 holds both together, 1-4 is weaker than that."""
    members = [member("A", name) for name in "1234"]
    pairs = [pair("A", *ends, p) for ends, p in {"12": 0.99, "34": 0.99, "23": 0.85, "14": 0.81}.items()]
    ((left, right, reason, p, uncertainty),) = found(members, pairs)
    assert (left, right, reason, p) == ("2", "3", "weak_link", 0.85)
    assert uncertainty == 0.75
    stronger = [pair("A", *ends, p) for ends, p in {"12": 0.99, "34": 0.99, "23": 0.95}.items()]
    assert found(members, stronger) == []


def test_the_queue_holds_every_open_pair_the_most_doubtful_first() -> None:
    """Money is not known yet: what is a little surer may be worth more than all before it."""
    count = 6_000
    both = {f"source_{side}": pa.repeat("crm", count) for side in "lr"}
    names = {f"record_id_{side}": pa.array([f"{side}{i:05}" for i in range(count)]) for side in "lr"}
    probability = pa.array([0.2 + 0.1 * i / count for i in range(count)])
    said = {"same_person_probability": probability, "decided_by": pa.repeat("splink", count)}
    pairs = pa.table({**both, **names, **said, "relation": pa.nulls(count, pa.string())})
    queue = review_queue(pairs, pa.array([False] * (count - 1) + [True]), CUT)
    assert queue["priority"].to_pylist() == list(range(1, count))
    assert (queue["record_id_l"][0].as_py(), queue["record_id_l"][-1].as_py()) == ("l05998", "l00000")


def test_a_task_finds_in_whole_clusters_what_one_process_finds() -> None:
    dice = random.Random(3)
    members, pairs = [], []
    for number in range(60):
        size = dice.randint(2, 5)
        names = [f"{number}.{i}" for i in range(size)]
        members += [member(str(number), n, dice.choice(["ana", "eva"]), None) for n in names]
        pairs += [
            pair(str(number), a, b, dice.choice([0.81, 0.84, 0.99]))
            for at, a in enumerate(names)
            for b in names[at + 1 :]
        ]
    whole = found(members, pairs)
    rows = [{**dict.fromkeys(PARTITION.names), **row} for row in (*members, *pairs)]
    parts = []
    for rest in range(3):
        mine = [row for row in rows if int(row["cluster"]) % 3 == rest]
        dice.shuffle(mine)
        batches = pa.Table.from_pylist(mine, schema=PARTITION).to_batches()
        parts += [r for batch in Suspects(SETTLED.empty_table(), CUT)(batches) for r in batch.to_pylist()]
    assert {(r["record_id_l"], r["record_id_r"], r["reason"], r["uncertainty"]) for r in parts} == {
        (left, right, reason, uncertainty) for left, right, reason, _, uncertainty in whole
    }
    assert len(parts) == len(whole) > 30


def test_a_night_queues_suspects_and_decisions_that_are_held() -> None:
    ana = {
        "given": "ana",
        "surname": "garcia",
        "emails": ["ana.garcia@mail.com"],
        "phones": ["+525551110001"],
    }
    rows = [
        record("crm", "A1", **ana, birth_date=date(1980, 3, 1), tax_id="GAAA800301AB1", tax_id_type="rfc"),
        record("erp", "A2", **ana, birth_date=date(1980, 3, 1)),
        record("web", "A3", **ana, birth_date=date(1980, 3, 2)),
        record("crm", "L1", given="luis", surname="navez", tax_id="NALU710909CD2", tax_id_type="rfc"),
    ]
    made = decisions(("d1", "match", "crm:A1", "crm:L1"))
    first = link_night(table(rows), None, CONF, date(2026, 7, 1), decisions=made)
    queue = {
        (r["record_id_l"], r["record_id_r"]): (r["priority"], r["reason"], r["decision_id"])
        for r in first.review_queue.to_pylist()
    }
    assert queue["A1", "L1"] == (1, "contradicted", "d1")
    assert queue["A1", "A3"][1] == "two_birth_dates"
    # A steward who confirmed it is not asked again.
    confirmed = decisions(("d1", "match", "crm:A1 erp:A2", "web:A3"))
    again = link_night(table(rows), first.generation, CONF, date(2026, 7, 1), decisions=confirmed)
    assert "two_birth_dates" not in again.review_queue["reason"].to_pylist()
