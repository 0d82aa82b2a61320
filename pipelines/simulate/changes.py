"""What happens to known customers during a night: new phones, new e-mails, moves, corrections, deletions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.simulate import contacts, noise
from pipelines.simulate.places import draw_addresses
from pipelines.simulate.records import Ledger
from pipelines.simulate.sources import EMAIL, PHONE, RENAME, World, relocated
from pipelines.simulate.text import Ints, constant, dates, take

NEW_PHONE, NEW_EMAIL, MOVE, CORRECTION = "new_phone", "new_email", "move", "correction"
NEW_PHONE_SHARE = 0.005  # of people, a night
NEW_EMAIL_SHARE = 0.004
MOVE_SHARE = 0.0035  # of households, a night
CORRECTION_SHARE = 0.002  # of records, a night
TOLD_SHARE = 0.6  # of a person's records that learn of a change
DELETED_SHARE = 0.003  # of a source's records, a night
DELETED_AT_MOST = 0.045  # of a source's records ever delivered, over all nights


@dataclass(frozen=True)
class Change:
    """Rows of one source's delta: what happened, to which records, and the columns as delivered."""

    op: str
    event: str
    rows: Ints
    table: pa.Table


def lives(rng: np.random.Generator, world: World, people: Ints, today: int, event: str, counter: int) -> None:
    """Give the ``people`` (ascending rows) a new phone, e-mail or home from ``today`` on."""
    p, size = world.people, len(people)
    if event == NEW_PHONE:
        p.former_mobile[people] = p.mobile[people]
        fresh = contacts.NEW_NUMBERS + counter + np.arange(size)
        p.mobile[people] = contacts.mobiles(fresh, p.address.town[people], p.country[people], world.book)
        p.mobile_since[people] = today
    elif event == NEW_EMAIL:
        held = take(p.email, people)
        used = pa.concat_arrays([p.email, p.former_email])
        fresh = contacts.emails(
            rng,
            world.names,
            p.given[people],
            p.surname[people],
            p.second[people],
            p.birth[people],
            p.country[people],
            p.number[people],
            used,
        )
        mask = np.zeros(len(p), bool)
        mask[people] = True
        p.email = pc.replace_with_mask(p.email, pa.array(mask), fresh)
        p.former_email = pc.replace_with_mask(p.former_email, pa.array(mask), held)
        p.email_since[people] = today
    else:
        # Who lives together moves together.
        _, first, family = np.unique(p.household[people], return_index=True, return_inverse=True)
        p.former_address.put(people, p.address.take(people))
        p.address.put(people, draw_addresses(rng, world.book, p.country[people[first]]).take(family))
        p.moved_on[people] = today


def told(
    rng: np.random.Generator, ledger: Ledger, world: World, people: Ints, event: str, today: int
) -> Change | None:
    """The update that a source's records of the ``people`` get; None where nothing changes."""
    affected = np.zeros(len(world.people), bool)
    affected[people] = True
    of_person = ~ledger.is_company
    hit = ledger.live & of_person
    hit[of_person] &= affected[ledger.owner[of_person]]
    rows = np.flatnonzero(hit & (rng.random(len(ledger)) < TOLD_SHARE))
    if rows.size == 0:
        return None
    p, owner, source = world.people, ledger.owner[rows], ledger.source
    columns: dict[str, pa.StringArray]
    if event == NEW_PHONE:
        columns = {PHONE[source]: noise.phones(rng, p.mobile[owner], p.country[owner], missing=0.0, fake=0.0)}
    elif event == NEW_EMAIL:
        columns = {EMAIL[source]: take(p.email, owner)}
    else:
        columns = relocated(rng, world, source, p.address.take(owner), p.country[owner])
    return _update(ledger, rows, columns, event, today) if columns else None


def corrected(
    rng: np.random.Generator, ledger: Ledger, world: World, today: int, fresh: Ints
) -> list[Change]:
    """Names written anew on some older records, and on a few of tonight's (``fresh``)."""
    older = ledger.live & ~ledger.is_company & (ledger.created < today - 1)
    older &= rng.random(len(ledger)) < CORRECTION_SHARE
    tonight = fresh[rng.random(len(fresh)) < 0.04]
    tonight = tonight[~ledger.is_company[tonight]]
    rows = np.union1d(np.flatnonzero(older), tonight)
    if rows.size == 0:
        return []
    columns = RENAME[ledger.source](rng, world, ledger.owner[rows])
    return [_update(ledger, rows, columns, CORRECTION, today)]


def deleted(rng: np.random.Generator, ledger: Ledger, night: int) -> Change | None:
    """Some records of earlier nights, deleted; never more of a source than ``DELETED_AT_MOST``."""
    candidates = np.flatnonzero(ledger.live & (ledger.night < night))
    gone = int((~ledger.live).sum())
    room = int(len(ledger) * DELETED_AT_MOST) - gone
    count = min(int(rng.binomial(len(candidates), DELETED_SHARE)), max(room, 0))
    if count == 0:
        return None
    rows = np.sort(rng.choice(candidates, count, replace=False))
    ledger.live[rows] = False
    return Change("D", "deleted", rows, ledger.current(rows))


def _update(ledger: Ledger, rows: Ints, columns: dict[str, pa.StringArray], event: str, today: int) -> Change:
    if ledger.source == "crm":
        columns = columns | {"updated_at": dates(np.full(len(rows), today - 1))}
    return Change("U", event, rows, ledger.change(rows, columns))


def with_op(change: Change) -> pa.Table:
    """A change's rows with the ``op`` column in front."""
    return change.table.add_column(0, "op", pa.chunked_array([constant(change.op, len(change.rows))]))
