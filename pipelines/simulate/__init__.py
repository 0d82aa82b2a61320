"""A synthetic retailer with known truth: landing folders for the night, and the answers beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines import files
from pipelines.errors import UsageError
from pipelines.simulate.names import load
from pipelines.simulate.nights import Retailer, entity_map, first_night, next_night
from pipelines.simulate.orders import HISTORY_DAYS, PESOS_A_EURO
from pipelines.simulate.text import dates, text
from pipelines.simulate.write import folder, write_csv

__all__ = ["Simulation", "simulate"]

EDITION = 1
"""Raised when the same parameters give other files."""
DELTA_EVENTS = ["day", "source", "source_id", "true_id", "event"]


@dataclass(frozen=True)
class Simulation:
    """What a simulation wrote and where."""

    out: str
    landing: str
    """``<landing>/<YYYY-MM-DD>/<source>/<feed>.csv``"""
    truth: str
    entity_map: str
    """CSV: source, source_id, true_id, entity_type, household_id, trap, first_day (the night, from 0)."""
    delta_events: str
    """CSV: day, source, source_id, true_id, event, a row for each row of the deltas."""
    rates: str
    """CSV: date, currency, rate to MXN."""
    dates: tuple[str, ...]
    """The landing dates."""
    customers: int
    """People and companies who stand in at least one record, over all nights."""
    records: int
    """Source records ever delivered."""
    rows: dict[str, int]
    """Rows delivered by feed (``crm/contacts``), over all nights."""
    was_there: bool
    """True when OUT already held this simulation and nothing was written."""


def simulate(
    out: str,
    *,
    customers: int = 3000,
    nights: int = 3,
    seed: int = 20260701,
    start: date = date(2026, 7, 1),
    progress: Callable[[str], None] | None = None,
) -> Simulation:
    """Write a retailer's extracts and their truth to the folder ``out``.

    ``customers`` people and companies stand in the first night's snapshots; each of the ``nights``
    gets a landing folder, from ``start`` on, and a later night changes nothing of an earlier one:
    more nights of the same seed begin with the same files. The same parameters give the same bytes;
    an ``out`` that holds them already is left alone. Raises UsageError where ``out`` holds another
    simulation, or a landing folder that no simulation wrote, or where a parameter makes no sense.
    """
    if customers < 10 or nights < 1:
        raise UsageError("simulate needs at least 10 customers and one night.")
    say = progress or (lambda _: None)
    parameters = {
        "edition": EDITION,
        "customers": customers,
        "nights": nights,
        "seed": seed,
        "start": start.isoformat(),
    }
    mark = folder(out, "truth", "parameters.json")
    held = _held(out, mark)
    if held is not None and held["parameters"] != parameters:
        raise UsageError(
            f"{out} holds a simulation with other parameters: choose another folder or remove this one."
        )
    if held is None and files.exists(folder(out, "landing")):
        raise UsageError(f"{out} holds a landing folder that simulate did not write: choose another folder.")
    if held is not None and held["complete"]:
        say(f"{out} already holds this simulation.")
        return _simulation(out, held["summary"], was_there=True)

    files.write_text(mark, _json(parameters, None))
    say("Simulating people and companies")
    shop = Retailer(out, seed, start, customers, load())
    say(f"Night {shop.day(0)}: snapshots and two years of history")
    first_night(shop)
    for night in range(1, nights):
        say(f"Night {shop.day(night)}: deltas")
        next_night(shop, night)
    say("Truth and rates")
    truth = entity_map(shop)
    write_csv(folder(out, "truth", "entity_map.csv"), truth)
    nothing = pa.table({name: pa.array([], pa.string()) for name in DELTA_EVENTS})
    write_csv(folder(out, "truth", "delta_events.csv"), pa.concat_tables([nothing, *shop.events]))
    write_csv(folder(out, "conf", "rates.csv"), _rates(shop, nights))
    summary = {
        "dates": [shop.day(night) for night in range(nights)],
        "customers": len(truth["true_id"].unique()),
        "records": len(truth),
        "rows": dict(sorted(shop.rows.items())),
    }
    files.write_text(mark, _json(parameters, summary))
    return _simulation(out, summary, was_there=False)


def _held(out: str, mark: str) -> dict[str, Any] | None:
    """What ``parameters.json`` says; None where there is none."""
    if not files.exists(mark):
        return None
    try:
        held: dict[str, Any] = json.loads(files.read_text(mark))
        return {"parameters": held["parameters"], "complete": held["complete"], "summary": held["summary"]}
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{out}/truth/parameters.json is damaged: remove the folder {out}.") from None


def _json(parameters: dict[str, object], summary: dict[str, object] | None) -> str:
    content = {"complete": summary is not None, "parameters": parameters, "summary": summary}
    return json.dumps(content, indent=1) + "\n"


def _simulation(out: str, summary: dict[str, Any], *, was_there: bool) -> Simulation:
    return Simulation(
        out=out,
        landing=files.join(out, "landing"),
        truth=files.join(out, "truth"),
        entity_map=files.join(out, "truth", "entity_map.csv"),
        delta_events=files.join(out, "truth", "delta_events.csv"),
        rates=files.join(out, "conf", "rates.csv"),
        dates=tuple(summary["dates"]),
        customers=int(summary["customers"]),
        records=int(summary["records"]),
        rows=dict(summary["rows"]),
        was_there=was_there,
    )


def _rates(shop: Retailer, nights: int) -> pa.Table:
    """Pesos for one unit of each currency, a rate a day that wanders around the catalogue's."""
    first, last = shop.today - HISTORY_DAYS, shop.today + nights - 1
    days = np.arange(first, last + 1)
    # Drawn day by day from the first, so that more nights begin with the same rates.
    steps = shop.rng("rates", 0).normal(0, 0.004, len(days))
    level, euro = 0.0, []
    for step in steps:
        level = 0.99 * level + float(step)
        euro.append(PESOS_A_EURO * math.exp(level))
    return pa.table(
        {
            "date": dates(np.repeat(days, 2)),
            "currency": text(["MXN", "EUR"] * len(days)),
            "rate": text([value for rate in euro for value in ("1.000000", f"{rate:.6f}")]),
        }
    )
