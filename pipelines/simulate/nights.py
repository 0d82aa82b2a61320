"""The retailer night by night: what changes, what is delivered, and what was true.

The folder of a date holds what happened up to the end of the day before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.simulate import changes, companies, orders, people, service
from pipelines.simulate.changes import Change
from pipelines.simulate.companies import make_companies
from pipelines.simulate.names import Names
from pipelines.simulate.orders import Batch, Buyers, Returned
from pipelines.simulate.people import TRAPS, make_people
from pipelines.simulate.places import gazetteer
from pipelines.simulate.records import (
    Ledger,
    company_ids,
    company_records,
    insert_companies,
    insert_people,
    people_records,
    person_ids,
)
from pipelines.simulate.service import Tickets
from pipelines.simulate.sources import FEEDS, SOURCES, World, home_store
from pipelines.simulate.text import Ints, chosen, constant, joined, numbers, take, text, where
from pipelines.simulate.write import CHUNK_ROWS, csv_file, folder, write_csv

COMPANY_SHARE = 0.08
NEW_CUSTOMERS_SHARE = 0.01  # a night, of the customers of the first night
NEW_RECORDS_SHARE = 0.004  # of people who turn up in one more source, a night
PARTS = ("people", "companies", "records", "changes", "orders", "catalogue", "service", "rates")
EPOCH = date(1970, 1, 1)


@dataclass
class Retailer:
    """Everything that the nights have in common."""

    out: str
    seed: int
    start: date
    customers: int
    names: Names
    ledgers: dict[str, Ledger] = field(default_factory=lambda: {s: Ledger(s) for s in SOURCES})
    households: int = 0
    fresh_numbers: int = 0
    order_count: int = 0
    return_count: int = 0
    to_return: Returned | None = None
    tickets: Tickets | None = None
    ticket_count: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    """Rows delivered by feed, over all nights."""
    events: list[pa.Table] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.today = (self.start - EPOCH).days
        self.products = orders.catalogue(self.rng("catalogue", 0))
        book = gazetteer()
        count = max(round(self.customers * COMPANY_SHARE), 1)
        self.world = World(
            self.names,
            book,
            make_people(
                self.rng("people", 0),
                self.names,
                book,
                self.customers - count,
                first_number=0,
                first_household=0,
                today=self.today,
            ),
            make_companies(
                self.rng("companies", 0), self.names, book, count, first_number=0, today=self.today
            ),
        )
        self.households = int(self.world.people.household[-1]) + 1

    def rng(self, part: str, night: int) -> np.random.Generator:
        """The random numbers of one part of one night: independent of every other part's."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(PARTS.index(part), night)))

    def day(self, night: int) -> str:
        """The night's landing date."""
        return (self.start + timedelta(days=night)).isoformat()

    def path(self, night: int, source: str, feed: str) -> str:
        """The feed's file of the night."""
        return folder(self.out, "landing", self.day(night), source, f"{feed}.csv")

    def delivered(self, feed: str, rows: int) -> None:
        """Count rows of a feed."""
        self.rows[feed] = self.rows.get(feed, 0) + rows


def first_night(shop: Retailer) -> None:
    """The snapshot of every source, and two years of orders, returns and tickets."""
    rng, world = shop.rng("records", 0), shop.world
    owners = people_records(rng, world.people, np.arange(len(world.people)))
    insert_people(rng, shop.ledgers, world, owners, 0, shop.today)
    erp = shop.ledgers["erp"]
    insert_companies(rng, erp, world, company_records(rng, np.arange(len(world.companies))), 0, shop.today)
    for source, ledger in shop.ledgers.items():
        order = rng.permutation(len(ledger))
        rows = write_csv(shop.path(0, source, FEEDS[source]), ledger.current(order))
        shop.delivered(f"{source}/{FEEDS[source]}", rows)
    _events_of_the_night(shop, 0, shop.today - orders.HISTORY_DAYS)


def next_night(shop: Retailer, night: int) -> None:
    """One night's deltas and its own orders, returns and tickets."""
    today = shop.today + night
    delta: dict[str, list[Change]] = {source: [] for source in SOURCES}
    _arrivals(shop, night, today, delta)
    _life(shop, night, today, delta)
    rng = shop.rng("changes", 1000 + night)
    for source, ledger in shop.ledgers.items():
        fresh = np.flatnonzero(ledger.night == night)
        delta[source] += changes.corrected(rng, ledger, shop.world, today, fresh)
        gone = changes.deleted(rng, ledger, night)
        delta[source] += [gone] if gone else []
        if delta[source]:
            table = pa.concat_tables([changes.with_op(change) for change in delta[source]])
            rows = write_csv(shop.path(night, source, FEEDS[source]), table)
            shop.delivered(f"{source}/{FEEDS[source]}", rows)
        shop.events += [_events_table(shop, ledger, change, night) for change in delta[source]]
    _events_of_the_night(shop, night, today - 1)


def _arrivals(shop: Retailer, night: int, today: int, delta: dict[str, list[Change]]) -> None:
    """New customers, mostly in several sources, and known people in one more."""
    world, rng = shop.world, shop.rng("people", night)
    count = max(int(rng.poisson(shop.customers * NEW_CUSTOMERS_SHARE)), 1)
    business = int(rng.binomial(count, COMPANY_SHARE))
    known = len(world.people)
    newcomers = make_people(
        rng,
        world.names,
        world.book,
        max(count - business, 1),
        first_number=known,
        first_household=shop.households,
        today=today,
        taken=pa.concat_arrays([world.people.email, world.people.former_email]),
    )
    shop.households = int(newcomers.household[-1]) + 1
    firms = len(world.companies)
    opened = world.companies
    if business:
        opened = companies.added(
            opened,
            make_companies(
                shop.rng("companies", night),
                world.names,
                world.book,
                business,
                first_number=firms,
                today=today,
            ),
        )
    shop.world = world = World(world.names, world.book, people.added(world.people, newcomers), opened)

    rng = shop.rng("records", night)
    owners = people_records(rng, world.people, np.arange(known, len(world.people)))
    again = np.flatnonzero(rng.random(known) < NEW_RECORDS_SHARE)
    where_to = rng.integers(0, len(SOURCES), len(again))
    for event, whose in (
        ("new_customer", owners),
        ("new_record_existing_customer", {s: again[where_to == i] for i, s in enumerate(SOURCES)}),
    ):
        for source, rows in insert_people(rng, shop.ledgers, world, whose, night, today).items():
            if len(rows):
                delta[source].append(Change("I", event, rows, shop.ledgers[source].current(rows)))
    if business:
        erp = shop.ledgers["erp"]
        rows = insert_companies(
            rng, erp, world, company_records(rng, np.arange(firms, len(opened))), night, today
        )
        delta["erp"].append(Change("I", "new_customer", rows, erp.current(rows)))


def _life(shop: Retailer, night: int, today: int, delta: dict[str, list[Change]]) -> None:
    """New phones, new e-mails and moves of people who were known before tonight."""
    rng, world = shop.rng("changes", night), shop.world
    for event, share in (
        (changes.NEW_PHONE, changes.NEW_PHONE_SHARE),
        (changes.NEW_EMAIL, changes.NEW_EMAIL_SHARE),
        (changes.MOVE, changes.MOVE_SHARE),
    ):
        # Households are numbered from 0 without gaps; only a move is the whole household's.
        unit = world.people.household if event == changes.MOVE else world.people.number
        hit = np.flatnonzero((rng.random(int(unit.max()) + 1) < share)[unit])
        changes.lives(rng, world, hit, today - 1, event, shop.fresh_numbers)
        shop.fresh_numbers += len(hit)
        for source, ledger in shop.ledgers.items():
            change = changes.told(rng, ledger, world, hit, event, today)
            delta[source] += [change] if change else []


def _true_ids(shop: Retailer, ledger: Ledger, rows: Ints) -> pa.StringArray:
    owner = ledger.owner[rows]
    return chosen(
        ledger.is_company[rows].astype(np.int64),
        [
            lambda r: person_ids(shop.world.people, owner[r]),
            lambda r: company_ids(shop.world.companies, owner[r]),
        ],
    )


def _events_table(shop: Retailer, ledger: Ledger, change: Change, night: int) -> pa.Table:
    size = len(change.rows)
    return pa.table(
        {
            "day": constant(str(night), size),
            "source": constant(ledger.source, size),
            "source_id": ledger.id_of(change.rows),
            "true_id": _true_ids(shop, ledger, change.rows),
            "event": constant(change.event, size),
        }
    )


def _buyers(shop: Retailer) -> Buyers:
    """Every live record that can order, and an anonymous till in each store."""
    world = shop.world
    parts: dict[str, list[np.ndarray]] = {f: [] for f in Buyers.__dataclass_fields__}
    weight = np.zeros(len(world.people))
    for source in orders.ORDER_SOURCES:
        ledger = shop.ledgers[source]
        own = ledger.owner[ledger.live & ~ledger.is_company]
        weight += np.bincount(own, minlength=len(world.people)) * orders.WEIGHT[source]
    firms = shop.ledgers["erp"]
    branches = np.bincount(firms.owner[firms.is_company & firms.live], minlength=len(world.companies))
    for code, source in enumerate(orders.ORDER_SOURCES):
        ledger = shop.ledgers[source]
        rows = np.flatnonzero(ledger.live)
        business, owner = ledger.is_company[rows], ledger.owner[rows]
        person, firm = np.where(business, 0, owner), np.where(business, owner, 0)
        p, c = world.people, world.companies
        share = orders.WEIGHT[source] / np.maximum(weight[person], 1e-9)
        country = np.where(business, c.country[firm], p.country[person])
        town = np.where(business, c.address.town[firm], p.address.town[person])
        values = {
            "source": np.full(len(rows), code),
            "row": rows,
            "rate": np.where(
                business,
                c.orders_a_year[firm] / np.maximum(branches[firm], 1),
                p.orders_a_year[person] * share,
            ),
            "since": ledger.created[rows],
            "until": np.where(business, c.leaves_on[firm], p.leaves_on[person]),
            "country": country,
            "is_company": business,
            "store": home_store(town, country),
        }
        for name, value in values.items():
            parts[name].append(value)
    tills = np.arange(1, 41)
    sold = sum(float(r[s == 1].sum()) for r, s in zip(parts["rate"], parts["source"], strict=True))
    anonymous = {
        "source": np.ones(40, np.int64),
        "row": np.full(40, -1),
        "rate": np.full(40, sold * orders.ANONYMOUS_SHARE / 40),
        "since": np.full(40, shop.today - orders.HISTORY_DAYS),
        "until": np.full(40, shop.today + 36_500),
        "country": (tills > 30).astype(np.int64),
        "is_company": np.zeros(40, bool),
        "store": tills,
    }
    return Buyers(**{name: np.concatenate([*parts[name], anonymous[name]]) for name in parts})


def _events_of_the_night(shop: Retailer, night: int, first: int) -> None:
    """Orders, returns and tickets of the days from ``first`` to the day before the landing date."""
    last = shop.today + night - 1
    rng = shop.rng("orders", night)
    buyers = _buyers(shop)
    batch = orders.draw_orders(rng, shop.products, buyers, first, last, shop.order_count)
    shop.order_count += len(batch.buyer)
    _write_orders(shop, rng, buyers, batch, night)
    shop.to_return = orders.joined_returns(shop.to_return, orders.draw_returns(rng, buyers, batch))
    due = shop.to_return.at < (last + 1) * 86_400
    back = shop.to_return.take(np.flatnonzero(due))
    shop.to_return = shop.to_return.take(np.flatnonzero(~due))
    if len(back.at):
        back = back.take(np.argsort(back.at, kind="stable"))
        table = orders.returns_table(back, shop.return_count)
        shop.return_count += write_csv(shop.path(night, "orders", "returns"), table)
        shop.delivered("orders/returns", len(table))
    _tickets(shop, night, first, last)


def _write_orders(shop: Retailer, rng: np.random.Generator, buyers: Buyers, batch: Batch, night: int) -> None:
    if len(batch.buyer) == 0:
        return
    keys = [pa.concat_arrays(shop.ledgers[s].ids) for s in orders.ORDER_SOURCES]
    web = np.flatnonzero(shop.ledgers["web"].live)
    with csv_file(shop.path(night, "orders", "orders"), orders.ORDERS) as file:
        for start in range(0, len(batch.buyer), CHUNK_ROWS):
            rows = np.arange(start, min(start + CHUNK_ROWS, len(batch.buyer)))
            file.write(orders.orders_table(rng, buyers, batch, rows, keys, web))
    shop.delivered("orders/orders", len(batch.buyer))
    with csv_file(shop.path(night, "orders", "lines"), orders.LINES) as file:
        for start in range(0, len(batch.line_order), CHUNK_ROWS):
            rows = np.arange(start, min(start + CHUNK_ROWS, len(batch.line_order)))
            file.write(orders.lines_table(shop.products, buyers, batch, rows))
    shop.delivered("orders/lines", len(batch.line_order))


def _tickets(shop: Retailer, night: int, first: int, last: int) -> None:
    rng, ledger = shop.rng("service", night), shop.ledgers["support"]
    rows = np.flatnonzero(ledger.live)
    opened = service.draw_tickets(rng, rows, ledger.created[rows], first, last, shop.ticket_count)
    shop.ticket_count += len(opened.opened)
    shop.tickets = service.joined_tickets(shop.tickets, opened)
    changed = shop.tickets.take(service.changed_on(shop.tickets, first, last))
    if len(changed.opened):
        table = service.tickets_table(changed, ledger.id_of(changed.requester), last)
        shop.delivered("support/tickets", write_csv(shop.path(night, "support", "tickets"), table))
    done = shop.tickets.closed < (last + 1) * 86_400
    shop.tickets = shop.tickets.take(np.flatnonzero(~done))


def entity_map(shop: Retailer) -> pa.Table:
    """Every record ever delivered and whose it is."""
    tables = []
    for source, ledger in shop.ledgers.items():
        rows = np.arange(len(ledger))
        business, owner = ledger.is_company, ledger.owner
        person, firm = np.where(business, 0, owner), np.where(business, owner, 0)
        p, c = shop.world.people, shop.world.companies
        trap = take(text([t or None for t in TRAPS]), p.trap[person])
        sister = where(c.sister[firm] == 0, None, constant("sister_company", len(rows)))
        household = joined("H", numbers(p.household[person], 7))
        tables.append(
            pa.table(
                {
                    "source": constant(source, len(rows)),
                    "source_id": ledger.id_of(rows),
                    "true_id": _true_ids(shop, ledger, rows),
                    "entity_type": take(text(["person", "company"]), business.astype(np.int64)),
                    "household_id": where(business, None, household),
                    "trap": pc.if_else(pa.array(business), sister, trap),
                    "first_day": numbers(ledger.night),
                }
            )
        )
    return pa.concat_tables(tables)
