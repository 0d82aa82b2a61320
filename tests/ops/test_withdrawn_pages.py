"""The page of a withdrawn night stays as evidence, and not as what readers see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_night import Tiny, tiny

from pipelines import files
from pipelines.cli import execute
from pipelines.ops import sign_off
from pipelines.ops.sign_off import Decider

MARIA = Decider("maria", "half a file")


@pytest.fixture
def reports(shop: Tiny) -> Path:
    """The folder of the pages of both nights, and of an earlier second one."""
    folder = shop.warehouse / "reports"
    folder.mkdir()
    for day in ("2026-07-01", "2026-07-02"):
        (folder / f"{day}.html").write_text(f"Readers see {day}.1")
    (folder / "2026-07-02.withdrawn.html").write_text("an earlier one")
    return folder


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """Two released nights."""
    made = tiny(monkeypatch, tmp_path)
    for day, people in (("2026-07-01", {"1": "ana"}), ("2026-07-02", {"2": "eva"})):
        made.deliver(day, people)
        made.run()
    monkeypatch.setattr("pipelines.ops.going_back._compensated", lambda *_: {})
    return made


SET_ASIDE = {
    "2026-07-01.html": "Readers see 2026-07-01.1",
    "2026-07-02.withdrawn.html": "Readers see 2026-07-02.1",
}


def pages(folder: Path) -> dict[str, str]:
    return {page.name: page.read_text() for page in folder.iterdir()}


def no_spark() -> Any:
    """Tiny nights compensate nothing, and need none."""


def dies_before_the_pages(monkeypatch: pytest.MonkeyPatch, decide: Callable[[], object]) -> None:
    """``decide`` is killed when it has published and renamed no page yet."""

    def killed(*_: object) -> None:
        raise SystemExit(137)

    with monkeypatch.context() as dying:
        dying.setattr("pipelines.ops.going_back.set_aside", killed)
        with pytest.raises(SystemExit):
            decide()


@pytest.mark.parametrize("decision", ["reject", "rollback"])
def test_the_page_of_a_withdrawn_night_is_set_aside(shop: Tiny, reports: Path, decision: str) -> None:
    about = {"reject": "2026-07-02.1", "rollback": "2026-07-01.1"}[decision]
    getattr(sign_off, decision)(shop.house, about, MARIA, lambda: None)
    assert pages(reports) == {
        "2026-07-01.html": "Readers see 2026-07-01.1",
        "2026-07-02.withdrawn.html": "Readers see 2026-07-02.1",
    }


def test_a_night_that_was_never_released_has_no_page_to_set_aside(shop: Tiny, reports: Path) -> None:
    shop.deliver("2026-07-03", {"3": "leo"})
    shop.run(layer="bronze")
    before = pages(reports)
    sign_off.reject(shop.house, "2026-07-03.1", MARIA, lambda: None)  # type: ignore[arg-type,return-value]
    assert pages(reports) == before


def test_a_page_that_cannot_be_moved_is_a_warning(
    shop: Tiny, reports: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: str) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(files, "move", refused)
    monkeypatch.setattr("pipelines.cli.release._spark", lambda _: lambda: None)
    asked = ["release", "rollback", "2026-07-01.1", "--by", "maria", "--why", "x"]
    assert execute([*asked, "--warehouse", str(shop.warehouse)]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert f"warning: {reports}/2026-07-02.html could not be renamed" in told
    assert "2026-07-02.html" in pages(reports)


@pytest.mark.parametrize("decision", ["reject", "rollback"])
def test_a_page_that_a_decision_died_before_is_set_aside_by_the_next_run(
    shop: Tiny, reports: Path, monkeypatch: pytest.MonkeyPatch, decision: str
) -> None:
    about = {"reject": "2026-07-02.1", "rollback": "2026-07-01.1"}[decision]
    dies_before_the_pages(
        monkeypatch, lambda: getattr(sign_off, decision)(shop.house, about, MARIA, no_spark)
    )
    assert "2026-07-02.html" in pages(reports)
    shop.deliver("2026-07-03", {"3": "leo"})
    shop.run()
    assert pages(reports) == SET_ASIDE


def test_a_page_that_a_rejection_died_before_is_set_aside_by_the_same_command(
    shop: Tiny, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject() -> None:
        sign_off.reject(shop.house, "2026-07-02.1", MARIA, no_spark)

    dies_before_the_pages(monkeypatch, reject)
    assert "2026-07-02.html" in pages(reports)
    reject()
    assert pages(reports) == SET_ASIDE


def test_a_page_that_is_written_of_the_date_after_the_decision_stays(shop: Tiny, reports: Path) -> None:
    sign_off.rollback(shop.house, "2026-07-01.1", MARIA, no_spark)
    (reports / "2026-07-02.html").write_text("Readers see 2026-07-01.1 again")
    before = pages(reports)
    shop.deliver("2026-07-03", {"3": "leo"})
    shop.run()
    assert pages(reports) == before
