"""The contract under any order of arrivals, edits, deletions, returns, decisions, revocations, renames and nights.

hypothesis chooses the steps, and shortens a history that breaks the contract to the few steps that do.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from identity_world import Key
from register_machine import PEOPLE, Register

from pipelines.linkage.decisions import MATCH, NO_MATCH, REVOKE

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SOURCES = ("crm", "web")
people, numbers = st.sampled_from(sorted(PEOPLE)), st.integers(0, 2**16)


class Steps(RuleBasedStateMachine):
    """What may happen between two nights, and the nights."""

    spark: SparkSession

    def __init__(self) -> None:
        super().__init__()
        self.register = Register(self.spark)
        self.keys = 0

    def _new_key(self, number: int) -> Key:
        self.keys += 1
        return SOURCES[number % 2], f"R{self.keys}"

    def _live(self, number: int) -> Key:
        keys = sorted(self.register.live)
        return keys[number % len(keys)]

    @property
    def _revocable(self) -> list[str]:
        made = self.register.decisions
        revoked = {row["revokes"] for row in made}
        return [r["decision_id"] for r in made if r["kind"] != REVOKE and r["decision_id"] not in revoked]

    @rule(who=st.lists(people, min_size=1, max_size=3), number=numbers)
    def arrive(self, who: list[str], number: int) -> None:
        for place, person in enumerate(who):
            self.register.live[self._new_key(number + place)] = person

    @precondition(lambda self: self.register.live)
    @rule(number=numbers, person=people)
    def edit(self, number: int, person: str) -> None:
        self.register.live[self._live(number)] = person

    @precondition(lambda self: len(self.register.live) > 1)
    @rule(number=numbers)
    def delete(self, number: int) -> None:
        key = self._live(number)
        self.register.gone[key] = self.register.live.pop(key)

    @precondition(lambda self: self.register.gone)
    @rule()
    def come_back(self) -> None:
        key = min(self.register.gone)
        self.register.live[key] = self.register.gone.pop(key)

    @precondition(lambda self: len(self.register.live) > 1)
    @rule(number=numbers, other=numbers)
    def match(self, number: int, other: int) -> None:
        one, two = self._live(number), self._live(other)
        if one != two:
            self.register.decide(MATCH, [one], [two])

    @rule(number=numbers, part=numbers)
    def split(self, number: int, part: int) -> None:
        """A customer of the last publication: some of its live records on one side, the rest on the other."""
        customers = sorted(set(self.register.ids.values()))
        if not customers:
            # split_and_take_back publishes first, and that may leave nobody.
            return
        customer = customers[number % len(customers)]
        records = sorted(k for k, c in self.register.ids.items() if c == customer and k in self.register.live)
        one = [key for place, key in enumerate(records) if part >> place & 1]
        if 0 < len(one) < len(records):
            self.register.decide(NO_MATCH, one, set(records) - set(one))

    @precondition(lambda self: self._revocable)
    @rule(number=numbers)
    def revoke(self, number: int) -> None:
        self.register.decide(REVOKE, [], [], self._revocable[number % len(self._revocable)])

    @precondition(lambda self: self.register.published and (self.register.live or self.register.gone))
    @rule(number=numbers, days=st.integers(0, 2))
    def rename_and_publish(self, number: int, days: int) -> None:
        """A record, live or deleted, has another key from the night on that follows."""
        keys = sorted({**self.register.live, **self.register.gone})
        old, day = keys[number % len(keys)], self.register.day + timedelta(days=days)
        self.register.rename(old, self._new_key(SOURCES.index(old[0])), day)
        self.register.night(day)

    @rule(days=st.integers(0, 2))
    def publish(self, days: int) -> None:
        self.register.night(self.register.day + timedelta(days=days))

    @precondition(lambda self: self.register.published)
    @rule(number=numbers, part=numbers)
    def split_and_take_back(self, number: int, part: int) -> None:
        """A decision that is revoked before anything else happens leaves every id as it was."""
        self.register.night(self.register.day)
        before, known = self.register.ids, len(self.register.decisions)
        self.split(number, part)
        if len(self.register.decisions) > known:
            self.register.night(self.register.day + timedelta(days=1))
            self.register.decide(REVOKE, [], [], self.register.decisions[-1]["decision_id"])
            self.register.night(self.register.day + timedelta(days=1))
            assert self.register.ids == before

    def teardown(self) -> None:
        self.register.audit()


def test_the_contract_holds_through_a_split_a_rename_a_match_and_their_revocation(
    spark: SparkSession,
) -> None:
    """A few steps of the machine in a written order; three records of Ana, one of Luis."""
    Steps.spark = spark
    steps = Steps()
    steps.arrive(["ana", "ana", "luis"], 0)
    steps.arrive(["ana"], 0)
    steps.publish(0)
    whole = steps.register.ids
    steps.split(sorted(set(whole.values())).index(whole["crm", "R1"]), 0b001)
    steps.match(3, 1)
    # crm:R1 is called crm:R5 on the night that follows both.
    steps.rename_and_publish(0, 1)
    apart = steps.register.ids
    assert apart["crm", "R5"] not in {apart["web", "R2"], apart["crm", "R4"]}
    steps.revoke(0)
    steps.revoke(0)
    steps.publish(0)
    assert steps.register.ids == {steps.register.now(key): customer for key, customer in whole.items()}


@pytest.mark.soak
def test_the_contract_holds_through_any_decisions_and_renames(spark: SparkSession) -> None:
    Steps.spark = spark
    run_state_machine_as_test(
        Steps,
        settings=settings(
            max_examples=15,
            stateful_step_count=14,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
