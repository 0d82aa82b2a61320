"""Support tickets: opened, answered, closed, sometimes opened again; a ticket is delivered whenever it changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.simulate.text import DAY_SECONDS, Ints, codes, joined, numbers, take, text, timestamps, where

TICKETS = [
    "requester_id",
    "ticket_id",
    "opened_at",
    "first_response_at",
    "closed_at",
    "category",
    "priority",
    "status",
    "csat",
    "reopened",
]
CATEGORIES = text(["queja", "garantia", "devolucion", "envio", "factura", "cuenta"])
CATEGORY_SHARES = (18, 14, 20, 22, 14, 12)
PRIORITIES = text(["baja", "media", "alta", "critica"])
PRIORITY_SHARES = (30, 40, 22, 8)
RESPONSE_MINUTES = np.array([240.0, 150.0, 60.0, 25.0])
SOLVE_HOURS = np.array([52.0, 40.0, 26.0, 14.0])
TICKETS_A_YEAR = 0.75
REOPENED_SHARE = 0.06
NEVER_CLOSED_SHARE = 0.05
ANSWERS_SHARE = 0.74  # of closed tickets that get a satisfaction score
SCORE_SHARES = (11, 12, 13, 30, 34)  # 1 … 5
UNSEEN = np.iinfo(np.int64).max


@dataclass
class Tickets:
    """Tickets with their whole story, one row each; times in seconds since 1970-01-01."""

    requester: Ints
    """Row in support's ledger."""
    number: Ints
    opened: Ints
    responded: Ints
    closed: Ints
    """``UNSEEN`` where it never is."""
    category: Ints
    priority: Ints
    score: Ints
    """0: no answer."""
    reopened: np.ndarray

    def take(self, rows: Ints | np.ndarray) -> Tickets:
        """The tickets at ``rows``."""
        return Tickets(*(getattr(self, f)[rows] for f in self.__dataclass_fields__))


def joined_tickets(one: Tickets | None, two: Tickets) -> Tickets:
    """Two lists as one."""
    if one is None:
        return two
    return Tickets(
        *(np.concatenate([getattr(one, f), getattr(two, f)]) for f in Tickets.__dataclass_fields__)
    )


def draw_tickets(
    rng: np.random.Generator, rows: Ints, since: Ints, first: int, last: int, first_number: int
) -> Tickets:
    """Tickets that the requesters at ``rows`` open on the days ``first`` … ``last``; a requester made on
    one of these days opens one at once."""
    start = np.maximum(since, first)
    days = np.maximum(last - start + 1, 0)
    count = rng.poisson(TICKETS_A_YEAR * days / 365) + ((since >= first) & (since <= last))
    owner = np.repeat(np.arange(len(rows)), count)
    day = start[owner] + (rng.random(len(owner)) * days[owner]).astype(np.int64)
    opened = day * DAY_SECONDS + (rng.beta(2.4, 2.0, len(owner)) * (DAY_SECONDS - 60)).astype(np.int64)
    order = np.argsort(opened, kind="stable")
    owner, opened = owner[order], opened[order]
    size = len(owner)
    priority = codes(rng, PRIORITY_SHARES, size)
    responded = opened + (rng.lognormal(0, 0.9, size) * RESPONSE_MINUTES[priority] * 60).astype(np.int64) + 30
    closed = responded + (rng.lognormal(0, 0.8, size) * SOLVE_HOURS[priority] * 3600).astype(np.int64) + 60
    return Tickets(
        requester=rows[owner],
        number=first_number + np.arange(size),
        opened=opened,
        responded=responded,
        closed=np.where(rng.random(size) < NEVER_CLOSED_SHARE, UNSEEN, closed),
        category=codes(rng, CATEGORY_SHARES, size),
        priority=priority,
        score=np.where(rng.random(size) < ANSWERS_SHARE, 1 + codes(rng, SCORE_SHARES, size), 0),
        reopened=rng.random(size) < REOPENED_SHARE,
    )


def changed_on(tickets: Tickets, first: int, last: int) -> Ints:
    """The tickets that were opened, answered or closed on the days ``first`` … ``last``."""
    low, high = first * DAY_SECONDS, (last + 1) * DAY_SECONDS
    hit = np.zeros(len(tickets.opened), bool)
    for moment in (tickets.opened, tickets.responded, tickets.closed):
        hit |= (moment >= low) & (moment < high)
    return np.flatnonzero(hit & (tickets.opened < high))


def tickets_table(tickets: Tickets, requester_ids: pa.StringArray, until: int) -> pa.Table:
    """support/tickets as they stand at the end of the day ``until``."""
    end = (until + 1) * DAY_SECONDS
    answered, closed = tickets.responded < end, tickets.closed < end
    return pa.table(
        {
            "requester_id": requester_ids,
            "ticket_id": joined("TK", numbers(tickets.number, 7)),
            "opened_at": timestamps(tickets.opened),
            "first_response_at": where(~answered, None, timestamps(np.where(answered, tickets.responded, 0))),
            "closed_at": where(~closed, None, timestamps(np.where(closed, tickets.closed, 0))),
            "category": take(CATEGORIES, tickets.category),
            "priority": take(PRIORITIES, tickets.priority),
            "status": take(text(["abierto", "resuelto"]), closed.astype(np.int64)),
            "csat": where(~closed | (tickets.score == 0), None, numbers(tickets.score)),
            "reopened": take(text(["N", "Y"]), (tickets.reopened & closed).astype(np.int64)),
        }
    )
