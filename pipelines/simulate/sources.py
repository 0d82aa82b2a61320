"""What each source writes down about a person or company: its columns, its format, its own noise.

``render`` gives the columns of ``feeds.md`` in order, without the key (the ledger gives ids).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.simulate import noise
from pipelines.simulate.companies import Companies, written_forms
from pipelines.simulate.names import Names
from pipelines.simulate.noise import Hand, listed
from pipelines.simulate.people import CHILD, People
from pipelines.simulate.places import (
    Addresses,
    Gazetteer,
    area_text,
    chosen_addresses,
    inside_text,
    number_text,
    postal_text,
    street_text,
)
from pipelines.simulate.text import (
    DAY_SECONDS,
    Ints,
    chosen,
    codes,
    constant,
    dates,
    joined,
    numbers,
    pick,
    plain,
    take,
    text,
    timestamps,
    where,
)

KEYS = {
    "crm": "contact_id",
    "erp": "cust_code",
    "pos": "card_no",
    "web": "user_id",
    "support": "requester_id",
}
FEEDS = {"crm": "contacts", "erp": "customers", "pos": "cards", "web": "users", "support": "requesters"}
PREFIXES = {"crm": ("C", 8), "erp": ("E", 7), "pos": ("77", 12), "web": ("U", 9), "support": ("S", 7)}
SOURCES = tuple(KEYS)
COUNTRY = text(["MX", "ES"])
STORES_MX, STORES_ES = 30, 10

HANDS = {
    "crm": Hand(nickname=0.03, first_only=0.12, no_second=0.14),
    "erp": Hand(short_given=0.01, first_only=0.1, no_second=0.1, short_surname=0.003, no_accents=1.0),
    "pos": Hand(
        nickname=0.06, first_only=0.3, no_second=0.3, initial_second=0.25, typo=0.045, no_accents=0.35
    ),
    "web": Hand(nickname=0.14, first_only=0.3, no_second=0.45, no_surname=0.05, no_accents=0.4),
    "support": Hand(nickname=0.16, first_only=0.35, no_second=0.6, no_surname=0.1, no_accents=0.45),
}
STALE = {"crm": 0.5, "erp": 0.6, "pos": 0.8, "web": 0.5, "support": 0.7}
"""Share of records that still show what held when they were made."""

JOBS = listed(
    "empleado;empleada de comercio;docente;comerciante;ingeniería;administración;enfermería;medicina;abogacía;contaduría;"
    "estudiante;hogar;jubilado;transportista;obra;cocina;informática;diseño;ventas;función pública;seguridad;agricultura"
)
EMPLOYERS = listed(
    "Grupo Bimbo;Cemex;Femsa;Pemex;CFE;IMSS;ISSSTE;Liverpool;Soriana;UNAM;Tec de Monterrey;Banorte;Telmex;SEP;Mercadona;"
    "Inditex;Telefónica;Renfe;Correos;El Corte Inglés;Iberdrola;Servicio de Salud;Ayuntamiento;Seat;autónomo;independiente"
)
STUDIES = listed("primaria;secundaria;bachillerato;técnico;licenciatura;grado;maestría;doctorado")


@dataclass(frozen=True)
class World:
    """All there is to write down."""

    names: Names
    book: Gazetteer
    people: People
    companies: Companies


def seen(
    rng: np.random.Generator, world: World, rows: Ints, created: Ints, source: str
) -> tuple[Addresses, Ints, pa.StringArray]:
    """Address, mobile and e-mail as the record has them: a part still shows what held when it was made."""
    p = world.people
    stale = STALE[source]

    def old(since: Ints) -> np.ndarray:
        return (created < since[rows]) & (rng.random(len(rows)) < stale)

    address = chosen_addresses(old(p.moved_on), p.former_address.take(rows), p.address.take(rows))
    mobile = np.where(old(p.mobile_since), p.former_mobile[rows], p.mobile[rows])
    email = pc.if_else(pa.array(old(p.email_since)), take(p.former_email, rows), take(p.email, rows))
    return address, mobile, email


def crm(
    rng: np.random.Generator, world: World, rows: Ints, created: Ints, today: int
) -> dict[str, pa.StringArray]:
    """crm/contacts: names and address in parts, two phones, two e-mails, and who the person is."""
    p, size = world.people, len(rows)
    address, mobile, email = seen(rng, world, rows, created, "crm")
    columns = crm_names(rng, world, rows)
    columns["fecha_nacimiento"] = noise.births(rng, p.birth[rows], missing=0.3, fake=0.05)
    columns["email"] = noise.mails(rng, email, missing=0.08, fake=0.05)
    columns["email_secundario"] = noise.mails(rng, take(p.former_email, rows), missing=0.92, fake=0.0)
    columns["tel_movil"] = noise.phones(rng, mobile, p.country[rows], missing=0.06, fake=0.06)
    columns["tel_casa"] = noise.phones(rng, p.home[rows], p.country[rows], missing=0.3, fake=0.02)
    columns |= crm_address(rng, world, address, p.country[rows])
    columns["pais"] = take(COUNTRY, p.country[rows])
    columns["created_at"] = dates(created)
    updated = created + (rng.random(size) * np.maximum(today - created, 0)).astype(np.int64)
    columns["updated_at"] = dates(updated)
    sex = chosen(p.gender[rows], [lambda r: constant("M", len(r)), lambda r: constant("F", len(r))])
    word = chosen(p.gender[rows], [lambda r: constant("hombre", len(r)), lambda r: constant("mujer", len(r))])
    columns["genero"] = noise.gaps(rng, where(rng.random(size) < 0.2, word, sex), 0.15)
    columns["ocupacion"] = noise.gaps(rng, pick(rng, JOBS, size), 0.5)
    columns["empresa"] = noise.gaps(rng, pick(rng, EMPLOYERS, size), 0.75)
    columns["estudios"] = noise.gaps(rng, pick(rng, STUDIES, size), 0.6)
    language = take(text(["es", "español", "en", "ca", "eu", "gl"]), codes(rng, (80, 10, 4, 4, 1, 1), size))
    columns["idioma"] = noise.gaps(rng, where(p.country[rows] == 0, constant("es", size), language), 0.2)
    wanted = take(text(["email", "whatsapp", "phone", "sms", "tienda"]), codes(rng, (34, 36, 14, 8, 8), size))
    columns["canal_preferido"] = noise.gaps(rng, wanted, 0.3)
    return columns


def crm_names(rng: np.random.Generator, world: World, rows: Ints) -> dict[str, pa.StringArray]:
    """The CRM's name columns."""
    parts = noise.names_written(rng, world.names, world.people, rows, HANDS["crm"])
    given, surname, second = (noise.untidy(rng, noise.cased(rng, part, 0.05, 0.07)) for part in parts)
    return {"nombre": given, "apellido_paterno": surname, "apellido_materno": second}


def crm_address(
    rng: np.random.Generator, world: World, address: Addresses, country: Ints
) -> dict[str, pa.StringArray]:
    """The CRM's address columns."""
    book, size = world.book, len(country)
    street = street_text(address, country, world.names.surname)
    number = joined(number_text(address), noise.gaps(rng, inside_text(address, country), 0.3), separator=" ")
    town = noise.cased(rng, noise.untidy(rng, take(book.town, address.town)), 0.06, 0.08)
    nowhere = rng.random(size) < 0.12
    return {
        "calle": where(nowhere, None, noise.typos(rng, noise.gaps(rng, street, 0.1), 0.015)),
        "numero": where(nowhere, None, noise.gaps(rng, number, 0.08)),
        "colonia": noise.gaps(rng, area_text(address, country), 0.25),
        "municipio": noise.gaps(rng, town, 0.1),
        "estado": noise.gaps(rng, take(book.state, address.town), 0.08),
        "cp": noise.gaps(rng, postal_text(address), 0.18),
    }


def erp(
    rng: np.random.Generator, world: World, rows: Ints, created: Ints, today: int
) -> dict[str, pa.StringArray]:
    """erp/customers, persons: capitals, mostly surnames first, tax id, address in one line."""
    p = world.people
    country = p.country[rows]
    address, mobile, email = seen(rng, world, rows, created, "erp")
    tax = noise.fake_tax_ids(rng, noise.tax_typos(rng, take(p.tax_id, rows), 0.008), country, 0.09)
    return {
        "tipo_persona": constant("F", len(rows)),
        **erp_names(rng, world, rows),
        "tax_id": noise.gaps(rng, tax, 0.17),
        **erp_address(rng, world, address, country),
        "pais": take(COUNTRY, country),
        "telefono": noise.phones(rng, mobile, country, missing=0.09, fake=0.09),
        "email": noise.mails(rng, email, missing=0.3, fake=0.07),
        "fecha_alta": dates(created),
    }


def erp_names(rng: np.random.Generator, world: World, rows: Ints) -> dict[str, pa.StringArray]:
    """The ERP's name: capitals without accents, surnames first in nine of ten."""
    given, surname, second = noise.names_written(rng, world.names, world.people, rows, HANDS["erp"])
    whole = chosen(
        (rng.random(len(rows)) < 0.1).astype(np.int64),
        [
            lambda r: joined(take(surname, r), take(second, r), take(given, r), separator=" "),
            lambda r: joined(take(given, r), take(surname, r), take(second, r), separator=" "),
        ],
    )
    return {"razon_social": pc.utf8_upper(whole)}


def erp_companies(
    rng: np.random.Generator, world: World, rows: Ints, created: Ints, today: int
) -> dict[str, pa.StringArray]:
    """erp/customers, companies: name with its legal form, RFC or CIF, the office or a branch."""
    c = world.companies
    country = c.country[rows]
    address = chosen_addresses(rng.random(len(rows)) < 0.3, c.branch.take(rows), c.address.take(rows))
    name = joined(
        noise.typos(rng, plain(take(c.name, rows)), 0.03), written_forms(rng, c, rows), separator=" "
    )
    return {
        "tipo_persona": constant("M", len(rows)),
        "razon_social": pc.utf8_upper(name),
        "tax_id": noise.gaps(rng, take(c.tax_id, rows), 0.12),
        **erp_address(rng, world, address, country),
        "pais": take(COUNTRY, country),
        "telefono": noise.phones(rng, c.phone[rows], country, missing=0.1, fake=0.04),
        "email": noise.mails(rng, take(c.email, rows), missing=0.25, fake=0.03),
        "fecha_alta": dates(created),
    }


def erp_address(
    rng: np.random.Generator, world: World, address: Addresses, country: Ints
) -> dict[str, pa.StringArray]:
    """The ERP's address columns: one line in capitals, then postal code, town and state."""
    book, size = world.book, len(country)
    lead = joined(
        street_text(address, country, world.names.surname),
        number_text(address),
        noise.gaps(rng, inside_text(address, country), 0.25),
        separator=" ",
    )
    area = area_text(address, country)
    written = chosen(
        codes(rng, (20, 30, 30, 20), size),
        [
            lambda r: take(lead, r),
            lambda r: joined(take(lead, r), ", ", take(area, r)),
            lambda r: joined(take(lead, r), ", Col. ", take(area, r)),
            lambda r: joined(take(lead, r), " Col ", take(area, r)),
        ],
    )
    return {
        "direccion": where(rng.random(size) < 0.02, constant("S/N", size), pc.utf8_upper(written)),
        "cp": noise.gaps(rng, postal_text(address), 0.05),
        "ciudad": pc.utf8_upper(plain(take(book.town, address.town))),
        "estado": pc.utf8_upper(plain(take(book.state, address.town))),
    }


def home_store(town: Ints, country: Ints) -> Ints:
    """The number of the store nearest to a town."""
    return np.where(country == 1, STORES_MX + town % STORES_ES, town % STORES_MX) + 1


def store_text(store: Ints) -> pa.StringArray:
    """``T007``."""
    return joined("T", numbers(store, 3))


def pos(
    rng: np.random.Generator, world: World, rows: Ints, created: Ints, today: int
) -> dict[str, pa.StringArray]:
    """pos/cards: what a cashier types, dates as dd/mm/yyyy."""
    p, size = world.people, len(rows)
    country = p.country[rows]
    address, mobile, email = seen(rng, world, rows, created, "pos")
    store = home_store(address.town, country)
    away = np.where(
        country == 1, STORES_MX + rng.integers(1, STORES_ES + 1, size), rng.integers(1, STORES_MX + 1, size)
    )
    elsewhere = rng.random(size) < 0.15
    store = np.where(elsewhere, away, store)
    # In a hurry the cashier types the shop's own number.
    own = np.where(country == 1, 910_200_000 + store, 5_552_000_000 + store)
    number = np.where(rng.random(size) < 0.03, own, mobile)
    return {
        **pos_names(rng, world, rows),
        "telefono": noise.phones(rng, number, country, missing=0.08, fake=0.09),
        "email": noise.mails(rng, email, missing=0.65, fake=0.02),
        "fecha_nac": noise.births(
            rng, p.birth[rows], missing=0.42, fake=0.03, wrong=0.03, pattern="%d/%m/%Y"
        ),
        "cp": noise.gaps(rng, postal_text(address), 0.33),
        "tienda": store_text(store),
        "fecha_alta": dates(created, "%d/%m/%Y"),
    }


def pos_names(rng: np.random.Generator, world: World, rows: Ints) -> dict[str, pa.StringArray]:
    """The card's name in one column, one in ten with the surname first."""
    given, surname, second = noise.names_written(rng, world.names, world.people, rows, HANDS["pos"])
    whole = chosen(
        (rng.random(len(rows)) < 0.1).astype(np.int64),
        [
            lambda r: joined(take(given, r), take(surname, r), take(second, r), separator=" "),
            lambda r: joined(take(surname, r), take(given, r), separator=" "),
        ],
    )
    return {"nombre_completo": noise.untidy(rng, noise.cased(rng, whole, 0.08, 0.12), 0.02)}


def web(
    rng: np.random.Generator, world: World, rows: Ints, created: Ints, today: int
) -> dict[str, pa.StringArray]:
    """web/users: what people type themselves; the e-mail is always there."""
    p, size = world.people, len(rows)
    country = p.country[rows]
    address, mobile, email = seen(rng, world, rows, created, "web")
    cookie = noise.hexadecimal(rng, size, 12)
    return {
        **web_names(rng, world, rows),
        "email": noise.mails(rng, email, missing=0.0, fake=0.0),
        "phone": noise.phones(rng, mobile, country, missing=0.42, fake=0.02),
        "birthdate": noise.births(rng, p.birth[rows], missing=0.58, fake=0.05),
        "city": noise.gaps(rng, noise.cased(rng, take(world.book.town, address.town), 0.08, 0.06), 0.38),
        "postal_code": noise.gaps(rng, postal_text(address), 0.4),
        "country": take(COUNTRY, country),
        "signup_ts": timestamps(created * DAY_SECONDS + rng.integers(0, DAY_SECONDS, size), "Z"),
        "cookie_id": joined("ck", cookie),
        "marketing_opt_in": take(text(["N", "Y"]), rng.integers(0, 2, size)),
    }


def web_names(rng: np.random.Generator, world: World, rows: Ints) -> dict[str, pa.StringArray]:
    """The display name: a full name, a part of it, or a user name."""
    given, surname, second = noise.names_written(rng, world.names, world.people, rows, HANDS["web"])
    whole = joined(given, surname, second, separator=" ")
    local = pc.replace_substring_regex(take(world.people.email, rows), "@.*$", "")
    shown = where(rng.random(len(rows)) < 0.03, local, whole)
    return {"display_name": noise.cased(rng, shown, 0.1, 0.05)}


def support(
    rng: np.random.Generator, world: World, rows: Ints, created: Ints, today: int
) -> dict[str, pa.StringArray]:
    """support/requesters: who wrote or called; e-mail or phone by the channel."""
    p, size = world.people, len(rows)
    _, mobile, email = seen(rng, world, rows, created, "support")
    channel = codes(rng, (28, 26, 24, 22), size)  # email, whatsapp, chat, phone
    by_phone = (channel == 1) | (channel == 3)
    told = rng.random(size)
    return {
        **support_names(rng, world, rows),
        "email": where(by_phone & (told < 0.6), None, noise.mails(rng, email, missing=0.02, fake=0.005)),
        "phone": noise.phones(
            rng, mobile, p.country[rows], missing=0.02, fake=0.005, mask=~by_phone & (told < 0.6)
        ),
        "channel": take(text(["email", "whatsapp", "chat", "phone"]), channel),
        "created_at": dates(created),
    }


def support_names(rng: np.random.Generator, world: World, rows: Ints) -> dict[str, pa.StringArray]:
    """The requester's name as an agent caught it."""
    parts = noise.names_written(rng, world.names, world.people, rows, HANDS["support"])
    return {"name": noise.untidy(rng, noise.cased(rng, joined(*parts, separator=" "), 0.12, 0.03), 0.02)}


RENDER = {"crm": crm, "erp": erp, "pos": pos, "web": web, "support": support}
RENAME = {"crm": crm_names, "erp": erp_names, "pos": pos_names, "web": web_names, "support": support_names}
PHONE = {"crm": "tel_movil", "erp": "telefono", "pos": "telefono", "web": "phone", "support": "phone"}
EMAIL = dict.fromkeys(SOURCES, "email")
PRESENCE = {"crm": 0.55, "erp": 0.4, "pos": 0.48, "web": 0.43, "support": 0.23}
"""Share of people whom a source knows."""
CHILD_PRESENCE = {"crm": 0.8, "erp": 0.35, "pos": 0.9, "web": 1.3, "support": 0.9}
"""What that share is multiplied with for grown children."""


def relocated(
    rng: np.random.Generator, world: World, source: str, address: Addresses, country: Ints
) -> dict[str, pa.StringArray]:
    """The columns that a move changes in a source; none for support."""
    if source == "crm":
        return crm_address(rng, world, address, country)
    if source == "erp":
        return erp_address(rng, world, address, country)
    if source == "pos":
        return {"cp": postal_text(address)}
    if source == "web":
        return {"city": take(world.book.town, address.town), "postal_code": postal_text(address)}
    return {}


def presence(people: People, source: str) -> np.ndarray:
    """The chance that a source knows each person."""
    base = PRESENCE[source] * people.eagerness
    return np.minimum(np.where(people.role == CHILD, base * CHILD_PRESENCE[source], base), 0.95)
