"""``padron history``: which customer a record had on any night, and what any id that was ever published is."""

from __future__ import annotations

import json
from datetime import date

import pytest
from register_house import ANA, FIRST, HUGO, LEO, OLDER, SECOND, register

from pipelines.cli import execute
from pipelines.errors import UsageError
from pipelines.ops.history import history
from pipelines.ops.register import UnknownIdError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return register(tmp_path_factory.getbasetemp() / "register")


def states(
    root: str, what: str, day: date
) -> tuple[tuple[str, str] | None, tuple[str, tuple[str, ...]] | None]:
    """(id, state) on the day, and (state, became) of that id now."""
    found = history(root, what, day)
    return (
        None if found.then is None else (found.then.customer_id, found.then.state),
        None if found.now is None else (found.now.state, found.now.became),
    )


def test_a_record_has_the_customer_of_the_night_and_what_that_is_now(root: str) -> None:
    assert states(root, "crm:3", FIRST) == ((HUGO, "live"), ("merged", (OLDER,)))
    assert [history(root, "crm:3", day).current for day in (FIRST, SECOND)] == [OLDER, OLDER]
    assert states(root, "crm:3", SECOND) == ((OLDER, "live"), ("live", (OLDER,)))


def test_a_deleted_record_had_a_customer_and_has_none(root: str) -> None:
    assert states(root, "web:1", FIRST) == ((ANA, "live"), ("live", (ANA,)))
    assert states(root, "web:1", SECOND) == (None, ("live", (ANA,)))
    assert states(root, "crm:5", SECOND) == (None, ("dormant", (LEO,)))


def test_an_old_id_is_resolved_on_any_date(root: str) -> None:
    assert states(root, HUGO, FIRST)[0] == (HUGO, "live")
    assert states(root, HUGO.lower(), SECOND) == ((HUGO, "merged"), ("merged", (OLDER,)))
    assert states(root, LEO, SECOND)[0] == (LEO, "dormant")


@pytest.mark.parametrize("name", ["till:90", "pos:90", "pos:9"])
def test_a_renamed_record_is_found_by_any_of_its_names(root: str, name: str) -> None:
    found = history(root, name)
    assert found.names == ("till:90", "pos:90", "pos:9")
    assert found.current == OLDER


def test_the_timeline_tells_what_happened_and_why(root: str) -> None:
    lines = [
        (h.business_date, h.event, h.records, h.old_customer_id, h.cause)
        for h in history(root, OLDER).timeline
    ]
    assert lines == [
        (FIRST, "created", 1, None, "new_record"),
        (SECOND, "merged", 1, HUGO, "linkage"),
    ]
    assert history(root, OLDER).timeline[1].evidence["pair"] == ["crm:3", "pos:9"]
    assert [h.event for h in history(root, OLDER, FIRST).timeline] == ["created"]
    assert [(s.customer_id, s.until) for s in history(root, "crm:3").stays] == [(HUGO, SECOND), (OLDER, None)]


@pytest.mark.parametrize("what", ["CNEVER", "crm:404", "nothing"])
def test_what_nobody_ever_published_is_said(root: str, what: str) -> None:
    with pytest.raises(UnknownIdError, match="No release"):
        history(root, what)


def test_before_the_first_release_there_is_nothing(root: str) -> None:
    with pytest.raises(UsageError, match="first release is later"):
        history(root, OLDER, date(2026, 6, 1))


def test_the_command_fits_eighty_columns_and_speaks_json(
    root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["history", HUGO, "--warehouse", root]) == 0
    printed = capsys.readouterr().out
    assert "merged" in printed
    assert "crm:3 ~ pos:9" in printed
    assert max(len(line.rstrip()) for line in printed.splitlines()) <= 80
    assert execute(["history", "crm:3", "--as-of", "2026-07-01", "--warehouse", root, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["then"]["customer_id"] == HUGO
    assert execute(["history", "crm:404", "--warehouse", root]) == 1
