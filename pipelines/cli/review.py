"""``padron review``: the cases that wait for a steward, one at a time, or through a file."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pipelines.cli import options
from pipelines.cli.blocking import say_wrapped
from pipelines.cli.cases import say_case, say_pattern
from pipelines.cli.console import complain, err, say
from pipelines.cli.decide import desk_of, login, say_proposal
from pipelines.cli.options import example

if TYPE_CHECKING:
    from pipelines.ops.cases import Case
    from pipelines.ops.desk import Desk, Row
    from pipelines.ops.reviewing import Review

KEYS = {
    "m": "match",
    "n": "no match",
    "s": "split",
    "b": "the same for all like it",
    "r": "revoke",
    "u": "unsure",
    "k": "skip",
    "z": "undo",
    "q": "quit",
}


@click.command()
@click.option("--by", default=None, metavar="NAME", help="Who reviews (default: the login name).")
@click.option(
    "--export",
    "exported",
    metavar="FILE",
    help="Write the cases to a file that a steward fills in: CSV, or XLSX by its ending.",
)
@click.option("--import", "imported", metavar="FILE", help="Take a filled-in file's answers as decisions.")
@click.option(
    "--sample",
    default=None,
    type=click.IntRange(20),
    help="With --export: about so many pairs to judge, drawn from all, for the estimate of quality.",
)
@click.option("--estimate", "estimated", metavar="FILE", help="Precision and recall by a judged sample.")
@click.option(
    "--keep", is_flag=True, help="With --estimate: the gate precision_estimate goes by it from now on."
)
@click.option("--limit", default=None, type=click.IntRange(1), help="Cases at most.")
@click.option("--yes", is_flag=True, help="With --import: do not ask.")
@options.warehouse
@options.config
@options.as_json
@example("padron review --by maria")
def review(
    by: str | None,
    exported: str | None,
    imported: str | None,
    sample: int | None,
    estimated: str | None,
    keep: bool,
    limit: int | None,
    yes: bool,
    warehouse: str,
    config: str | None,
    as_json: bool,
) -> int:
    """Decide the cases of the newest release, those first on which most depends.

    The terminal and the exported file show what records say: mind who sees them. --json lists the cases by keys only.
    """
    from pipelines.errors import UsageError

    if sum(map(bool, (exported, imported, estimated))) > 1:
        raise UsageError("--export, --import and --estimate are three commands: give one.")
    if sample is not None and exported is None:
        raise UsageError("--sample writes a file: add --export FILE.")
    if keep and estimated is None:
        raise UsageError("--keep keeps the answers of a judged sample: add --estimate FILE.")
    steward = login() if by is None else by
    if not steward.strip() and (keep or estimated is None):
        raise UsageError("a review needs somebody who reviews: name them with --by.")
    if estimated is not None:
        return _estimate(estimated, warehouse, steward if keep else None, as_json=as_json)
    desk = desk_of(warehouse, config)
    if exported is not None:
        return _export(desk, exported, limit) if sample is None else _sample(desk, exported, sample)
    if imported is not None:
        return _import(desk, imported, steward, yes=yes, as_json=as_json)
    if as_json:
        return _list(desk, limit)
    return _go_through(desk, steward, limit)


def _list(desk: Desk, limit: int | None) -> int:
    from pipelines.ops.cases import cases

    listed = [
        {
            "case": case.case_id,
            "left": case.left,
            "right": case.right,
            "reason": case.reason,
            "probability": case.probability,
            "uncertainty": case.uncertainty,
            "worth": case.worth,
            "customers": case.customers,
            "revenue": [{"currency": m.currency, "net": str(m.net)} for m in case.revenue],
            "decision_id": case.decision_id,
        }
        for case in cases(desk)[:limit]
    ]
    click.echo(json.dumps(listed))
    return 0


def _export(desk: Desk, path: str, limit: int | None) -> int:
    from pipelines.ops.review_files import export

    count = export(desk, path, limit)
    say(f"{count:,} cases in {path}: fill in the column answer, and `padron review --import {path}`.")
    return 0


def _sample(desk: Desk, path: str, wanted: int) -> int:
    from pipelines.ops.sampling import export_sample

    count = export_sample(desk, path, wanted)
    say(f"{count:,} pairs in {path}: fill in the column answer, and `padron review --estimate {path}`.")
    return 0


def _estimate(path: str, warehouse: str, keeper: str | None, *, as_json: bool) -> int:
    """The quality by a judged sample; with a ``keeper`` its answers are kept for the nights to come."""
    from pipelines.ops.sampling import estimate_of, keep_sample, read_sample
    from pipelines.storage import Warehouse

    house = Warehouse(warehouse)
    sample = read_sample(house, path)
    found = estimate_of(sample)
    kept = None if keeper is None else keep_sample(house, sample, keeper)
    missing = len(sample.missing)
    if as_json:
        told = {"release": sample.release_id, **asdict(found), "missing": missing, "kept": kept}
        click.echo(json.dumps(told))
        return 0
    say(f"Release {sample.release_id}: {found.labelled:,} judged pairs stand for {found.pairs:,}")
    if missing:
        say_wrapped(
            f"{missing:,} of the sample's {len(sample.rows):,} pairs have no row in the file: they count as not judged."
        )
    for name, share in (("Precision", found.precision), ("Recall", found.recall)):
        value = "unknown" if share.value is None else f"{share.value:.4f}"
        say(f"{name:<10} {value:<7} 95 % interval {share.low:.4f} to {share.high:.4f}")
    if found.recall.value is None:
        say_wrapped(
            "No pair of two customers is judged yet: judge more of the sample, and recall is known too."
        )
    say_wrapped(
        "Recall is of the pairs that linkage kept or put together; what blocking never brought is outside."
    )
    if kept is not None:
        say_wrapped(
            f"{kept:,} new answers kept: the gate precision_estimate goes by this sample from the next night on."
        )
    return 0


def _import(desk: Desk, path: str, steward: str, *, yes: bool, as_json: bool) -> int:
    from pipelines.errors import UsageError
    from pipelines.ops.review_files import read_answers, settle

    if as_json and not yes:
        raise UsageError("--json asks nothing: add --yes to agree to the effect.")
    with err.status("Looking ahead"):
        answers = read_answers(desk, path, steward)
    if not as_json:
        say_wrapped(
            f"{len(answers.rows):,} decisions, {len(answers.unsure):,} unsure, {answers.already:,} recorded already, "
            f"{answers.blank:,} not answered"
        )
        if answers.proposal is not None:
            say_wrapped(answers.proposal.outlook.consequence.in_words())
    is_new = bool(answers.rows or answers.unsure)
    if not yes and is_new:
        click.confirm("Record them?", abort=True, err=True)
    made = settle(desk, answers, steward)
    if as_json:
        told = {
            "decisions": made,
            "unsure": len(answers.unsure),
            "already": answers.already,
            "blank": answers.blank,
            "effect": None if answers.proposal is None else answers.proposal.outlook.consequence.as_dict(),
        }
        click.echo(json.dumps(told))
    elif is_new:
        say(f"Recorded {len(made):,} decisions; the next night follows them.")
    else:
        say("All that it answers is recorded already.")
    return 0


def _go_through(desk: Desk, steward: str, limit: int | None) -> int:
    from pipelines.ops.reviewing import Review

    session = Review(desk, steward)
    total, seen = len(session.queue), 0
    case: Case | None = None
    again: Case | None = None
    try:
        while limit is None or seen < limit:
            case = again or session.next()
            again = None
            if case is None:
                break
            seen += 1
            with err.status("Looking closer"):
                records, explained = session.records(case), session.explained(case)
            say_case(case, f"{seen} of {total:,}", records, explained, session.unsure.get(case.case_id))
            outcome = _answered(session, case, records)
            if outcome == "quit":
                break
            if outcome == "undo":
                session.claims.free(case.case_id)
                again = _undone(session)
                again = again or case
                session.claims.take(again.case_id)
                seen -= 1
    finally:
        if case is not None:
            session.claims.free(case.case_id)
    if not seen:
        say("No case waits for a steward.")
    made = sum(len(names) for _, names in session.answered)
    if made:
        say(f"{made:,} decisions recorded; the next night follows them.")
    return 0


def _undone(session: Review) -> Case | None:
    """The case whose answer was taken back."""
    from pipelines.errors import UsageError

    try:
        found = session.undo()
    except UsageError as error:
        complain(str(error))
        return None
    say("Nothing to undo." if found is None else f"Taken back: {found.case_id}.")
    return found


def _answered(session: Review, case: Case, records: list[Row]) -> str:
    """Ask until the case is settled; ``quit``, ``undo``, or ``done``."""
    from pipelines.errors import UsageError

    like = session.like(case)
    offered = {"b": bool(like), "r": case.decision_id is not None, "z": bool(session.answered)}
    keys = [key for key in KEYS if offered.get(key, True)]
    shown = ", ".join(f"{key} {KEYS[key]}" + (f" ({len(like) + 1:,})" if key == "b" else "") for key in keys)
    while True:
        say_wrapped(shown)
        key = click.prompt("Answer", type=click.Choice(keys), show_choices=False, err=True)
        if key in ("q", "z"):
            return "quit" if key == "q" else "undo"
        if key == "k":
            session.skip(case)
            return "done"
        try:
            if _settled(session, case, records, like, key):
                return "done"
        except UsageError as error:
            complain(str(error))


def _settled(session: Review, case: Case, records: list[Row], like: list[Case], key: str) -> bool:
    """Do what a key says; False where the steward thinks again."""
    if key == "b":
        return _settled_at_once(session, case, like)
    if key == "u":
        session.set_aside(case, _reason("Reason, if there is one", is_needed=False) or None)
        return True
    if key == "s":
        part = _part(records)
        rows = session.split(case, part, _reason())
    elif key == "r":
        name = click.prompt("Which decision", default=case.decision_id, err=True)
        rows = session.revoke([name], _reason())
    else:
        rows = session.answer([case], {"m": "match", "n": "no_match"}[key], _reason())
    return _recorded(session, [case], rows)


def _settled_at_once(session: Review, case: Case, like: list[Case]) -> bool:
    """One answer for a case and those like it, which are shown and held while the steward thinks."""
    others = session.take(like)
    done = False
    try:
        found = [case, *others]
        say_wrapped(f"{len(found):,} cases of the pattern {case.pattern}")
        say_pattern(found, session.named(found))
        chosen = click.prompt("m or n", type=click.Choice(["m", "n"]), show_choices=False, err=True)
        rows = session.answer(found, {"m": "match", "n": "no_match"}[chosen], _reason())
        done = _recorded(session, found, rows)
    finally:
        if not done:
            session.claims.free_all(other.case_id for other in others)
    return done


def _reason(asked: str = "Reason", *, is_needed: bool = True) -> str:
    """Why the steward answers so; asked for until there is one, where it ``is_needed``."""
    while True:
        text: str = click.prompt(asked, default="", show_default=False, err=True).strip()
        if text or not is_needed:
            return text
        complain("Say why: it is kept with the decision.")


def _recorded(session: Review, found: list[Case], rows: list[Row]) -> bool:
    """Show what the rows would do, ask, and record them; False where it is refused or not agreed to."""
    with err.status("Looking ahead"):
        proposal = session.propose(rows)
    if len(found) == 1:
        say_proposal(proposal)
    else:
        for held in proposal.held:
            say_wrapped(f"held back: {held.said}")
        say_wrapped(proposal.outlook.consequence.in_words())
    if proposal.held:
        remedies = dict.fromkeys(held.remedy for held in proposal.held)
        complain(f"Not recorded. What to do: {'; '.join(remedies)}.")
        return False
    if not click.confirm("Record it?", err=True):
        return False
    session.record(found, proposal)
    return True


def _part(records: list[Row]) -> list[str]:
    """The records of one part, asked for by their numbers. Raises UsageError."""
    from pipelines.errors import UsageError

    text = click.prompt("Numbers of the records of one part, such as 1 3", err=True)
    names = [f"{row['source']}:{row['record_id']}" for row in records]
    try:
        places = {int(word) for word in text.replace(",", " ").split()}
        if not places <= set(range(1, len(names) + 1)):
            raise ValueError
    except ValueError:
        raise UsageError(f"write numbers from 1 to {len(names)}, with spaces between them.") from None
    return [names[place - 1] for place in sorted(places)]
