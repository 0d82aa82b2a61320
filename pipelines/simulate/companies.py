"""The retailer's business customers: they stand in the ERP only, several times under one name."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.simulate import contacts, taxids
from pipelines.simulate.names import Names
from pipelines.simulate.places import Addresses, Gazetteer, draw_addresses, joined_addresses
from pipelines.simulate.text import Ints, chosen, codes, joined, pick, plain, take, text, where

SISTER_SHARE = 0.07
SPAIN_SHARE = 0.25
TRADES = """Distribuidora;Comercializadora;Transportes;Constructora;Farmacéutica;Ferretera;Muebles;Materiales;Servicios;
Tecnologías;Alimentos;Autopartes;Grupo;Papelería;Textiles;Refacciones;Consultoría;Inmobiliaria;Agrícola;Restaurantes;
Talleres;Suministros;Electrodomésticos;Importaciones;Logística;Clínica""".replace("\n", "").split(";")
BRANDS = """Universal;Nacional;del Pacífico;del Norte;del Sur;del Centro;Azteca;Metropolitana;La Esperanza;Santa Fe;Sol;
San José;Monterrey;del Bajío;Iberia;Levante;Mediterránea;Cantábrica;Continental;Moderna;La Central;El Águila;Atlas;
Progreso;Victoria;del Golfo;Horizonte;Águila Real;Tres Hermanos;La Moderna""".replace("\n", "").split(";")
FORMS = (
    ("S.A. de C.V.", "S. de R.L. de C.V.", "S.A.P.I. de C.V.", "S.C."),
    ("S.L.", "S.A.", "S.L.U.", "S.Coop."),
)
FORM_SHARES = (66, 22, 7, 5)


@dataclass
class Companies:
    """Business customers, one row each."""

    number: Ints
    country: Ints
    sister: Ints
    """1 where another company of the same family bears nearly the same name."""
    name: pa.StringArray
    """Without the legal form."""
    form: Ints
    address: Addresses
    branch: Addresses
    """Where some of its records send the goods."""
    phone: Ints
    email: pa.StringArray
    tax_id: pa.StringArray
    orders_a_year: np.ndarray
    leaves_on: Ints

    def __len__(self) -> int:
        return len(self.number)


def added(one: Companies, two: Companies) -> Companies:
    """Two lists of companies as one."""
    whole: dict[str, Any] = {}
    for field in fields(Companies):
        left, right = getattr(one, field.name), getattr(two, field.name)
        if isinstance(left, Addresses):
            whole[field.name] = joined_addresses(left, right)
        elif isinstance(left, np.ndarray):
            whole[field.name] = np.concatenate([left, right])
        else:
            whole[field.name] = pa.concat_arrays([left, right])
    return Companies(**whole)


def make_companies(
    rng: np.random.Generator, names: Names, book: Gazetteer, count: int, *, first_number: int, today: int
) -> Companies:
    """``count`` new companies."""
    country = (rng.random(count) < SPAIN_SHARE).astype(np.int64)
    owner, partner = (np.zeros(count, np.int64) for _ in range(2))
    for c in (0, 1):
        rows = np.flatnonzero(country == c)
        owner[rows] = names.surname_pools[c].draw(rng, len(rows))
        partner[rows] = names.surname_pools[c].draw(rng, len(rows))
    first, second = take(names.surname, owner), take(names.surname, partner)
    core = chosen(
        codes(rng, (30, 18, 22, 12, 8, 10), count),
        [
            lambda r: pick(rng, BRANDS, len(r)),
            lambda r: joined(take(first, r), " ", take(second, r)),
            lambda r: joined(pick(rng, BRANDS, len(r)), " ", take(first, r)),
            lambda r: joined(take(first, r), " e Hijos"),
            lambda r: joined(take(first, r), " y Asociados"),
            lambda r: joined(take(first, r), " Hermanos"),
        ],
    )
    name = joined(pick(rng, TRADES, count), " ", core)
    sister = (rng.random(count) < SISTER_SHARE) & (np.arange(count) > 0)
    rows = np.flatnonzero(sister)
    place = pick(rng, ["Norte", "Sur", "Internacional", "Servicios", "Logística"], len(rows))
    if len(rows):
        mask = pa.array(sister)
        name = pc.replace_with_mask(name, mask, joined(take(name, rows - 1), " ", place))
    country[rows] = country[rows - 1]

    number = first_number + np.arange(count)
    address = draw_addresses(rng, book, country)
    branch = draw_addresses(rng, book, country)
    founded = today - rng.integers(200, 16_000, count)
    key = pc.replace_substring_regex(pc.utf8_upper(plain(name)), "[^A-Z ]", "")
    letters = pc.replace_substring_regex(key, r"\b(DE|DEL|LA|EL|E|Y)\b ?", "")
    initials = pc.replace_substring_regex(letters, r"([A-Z])[A-Z]* ?", r"\1")
    three = pc.utf8_slice_codeunits(pc.utf8_rpad(initials, 3, "X"), 0, 3)
    domain = pc.utf8_slice_codeunits(
        pc.replace_substring_regex(pc.utf8_lower(plain(name)), r"[^a-z0-9]", ""), 0, 26
    )
    form = codes(rng, FORM_SHARES, count)
    return Companies(
        number=number,
        country=country,
        sister=sister.astype(np.int64),
        name=name,
        form=form,
        address=address,
        branch=branch,
        phone=contacts.landlines(number, address.town, country, book, business=True),
        email=contacts.company_emails(rng, domain, country),
        tax_id=chosen(
            country,
            [
                lambda r: taxids.rfc_company(rng, take(three, r), founded[r]),
                lambda r: taxids.cif(number[r], (form[r] != 1).astype(np.int64)),
            ],
        ),
        orders_a_year=rng.gamma(0.8, 9.0, count),
        leaves_on=(today - 730 + rng.exponential(365 * 6, count)).astype(np.int64),
    )


def written_forms(rng: np.random.Generator, companies: Companies, rows: Ints) -> pa.StringArray:
    """The legal form as somebody typed it: with dots, without, or left out (NULL)."""
    dotted = chosen(
        companies.country[rows],
        [
            lambda r, c=c: take(text(FORMS[c]), companies.form[rows[r]])  # type: ignore[misc]
            for c in (0, 1)
        ],
    )
    bare = pc.replace_substring(dotted, ".", "")
    style = codes(rng, (60, 30, 10), len(rows))
    return where(style == 2, None, pc.if_else(pa.array(style == 1), bare, dotted))
