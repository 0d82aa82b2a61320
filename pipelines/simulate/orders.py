"""Orders, their lines and returns: gamma-Poisson purchases from a catalogue, to the cent.

An order's amount is the sum of its lines, a line's is quantity times unit price, and what comes
back is never more than what was sold. Amounts are whole cents until they are written.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.simulate.sources import store_text
from pipelines.simulate.text import (
    DAY_SECONDS,
    Ints,
    cents,
    codes,
    joined,
    numbers,
    take,
    text,
    timestamps,
    where,
)

ORDERS = [
    "source",
    "source_customer_id",
    "order_id",
    "order_ts",
    "amount",
    "currency",
    "status",
    "channel",
    "store_id",
    "recipient_source",
    "recipient_id",
    "account_user_id",
]
LINES = ["order_id", "line_no", "sku", "product_name", "category", "quantity", "unit_price", "amount"]
RETURNS = [
    "return_id",
    "order_id",
    "line_no",
    "returned_at",
    "channel",
    "store_id",
    "quantity",
    "amount",
    "currency",
    "reason",
]

ORDER_SOURCES = ("erp", "pos", "web")
WEIGHT = {"erp": 0.5, "pos": 1.0, "web": 0.8}
"""How the purchases of a person spread over the records in each source."""
CANCELLED_SHARE = {"erp": 0.03, "pos": 0.015, "web": 0.05}
RETURN_SHARE = {"erp": 0.03, "pos": 0.035, "web": 0.09}
ANONYMOUS_SHARE = 0.12  # anonymous orders for each order with a card
GIFT_SHARE = 0.05  # of web orders
HISTORY_DAYS = 730
PESOS_A_EURO = 20
CURRENCY = text(["MXN", "EUR"])
REASONS = text(["talla", "defecto", "no le gustó", "pedido equivocado", "llegó tarde", "duplicado"])
CATEGORIES = {
    "hogar": "Sartén;Juego de sábanas;Lámpara;Toalla;Cojín;Vajilla;Cortina",
    "electronica": "Audífonos;Cargador;Bocina;Tableta;Teclado;Cámara;Reloj",
    "ropa_mujer": "Vestido;Blusa;Falda;Pantalón;Chamarra;Suéter",
    "ropa_hombre": "Camisa;Pantalón;Chaqueta;Playera;Corbata;Suéter",
    "infantil": "Pijama;Muñeca;Rompecabezas;Mochila;Bicicleta",
    "deporte": "Balón;Tenis;Mancuernas;Colchoneta;Guantes",
    "belleza": "Crema;Perfume;Champú;Labial;Serum",
    "ferreteria": "Taladro;Martillo;Pintura;Escalera;Llave inglesa",
    "papeleria": "Cuaderno;Pluma;Carpeta;Calculadora;Tóner",
    "alimentos": "Café;Aceite;Chocolate;Galletas;Vino",
}
VARIANTS = [
    "básico",
    "clásico",
    "premium",
    "azul",
    "negro",
    "rojo",
    "grande",
    "chico",
    "familiar",
    "compacto",
    "2 piezas",
    "edición especial",
]


@dataclass(frozen=True)
class Catalogue:
    """Products, one row each."""

    sku: pa.StringArray
    name: pa.StringArray
    category: pa.StringArray
    price: Ints
    """Cents of a peso."""
    edges: np.ndarray


def catalogue(rng: np.random.Generator) -> Catalogue:
    """Every product noun in every variant, lognormal prices, few products sold often."""
    rows = [
        (category, f"{noun} {variant}")
        for category, nouns in CATEGORIES.items()
        for noun in nouns.split(";")
        for variant in VARIANTS
    ]
    size = len(rows)
    weight = rng.lognormal(0, 1.1, size)
    return Catalogue(
        sku=joined("SKU-", numbers(np.arange(size) * 7 + 1000, 5)),
        name=text([name for _, name in rows]),
        category=text([category for category, _ in rows]),
        price=np.maximum((rng.lognormal(5.5, 0.75, size) * 100).astype(np.int64) // 100 * 100 - 10, 990),
        edges=np.cumsum(weight) / weight.sum(),
    )


@dataclass
class Buyers:
    """Records that can order, one row each, over all sources."""

    source: Ints
    """Position in ``ORDER_SOURCES``."""
    row: Ints
    """Row in the source's ledger; −1 for an anonymous till."""
    rate: np.ndarray
    """Orders a year."""
    since: Ints
    until: Ints
    country: Ints
    is_company: np.ndarray
    store: Ints


@dataclass
class Batch:
    """New orders of one night, with their lines and the returns to come."""

    buyer: Ints
    """Row of ``Buyers``."""
    number: Ints
    at: Ints
    status: Ints
    amount: Ints
    line_order: Ints
    """Row of the order that the line belongs to."""
    line_no: Ints
    product: Ints
    quantity: Ints
    price: Ints


@dataclass
class Returned:
    """Lines that come back, possibly on a later night."""

    order_number: Ints
    order_source: Ints
    line_no: Ints
    at: Ints
    store: Ints
    by_post: np.ndarray
    quantity: Ints
    amount: Ints
    country: Ints
    reason: Ints

    def take(self, rows: Ints | np.ndarray) -> Returned:
        """The returns at ``rows``."""
        return Returned(*(getattr(self, f)[rows] for f in self.__dataclass_fields__))


def joined_returns(one: Returned | None, two: Returned) -> Returned:
    """Two lists as one."""
    if one is None:
        return two
    return Returned(
        *(np.concatenate([getattr(one, f), getattr(two, f)]) for f in Returned.__dataclass_fields__)
    )


def draw_orders(
    rng: np.random.Generator, products: Catalogue, buyers: Buyers, first: int, last: int, first_number: int
) -> Batch:
    """Orders of the days ``first`` … ``last``: Poisson with the buyer's rate while the buyer is active."""
    start = np.maximum(buyers.since, first)
    days = np.maximum(np.minimum(buyers.until, last) - start + 1, 0)
    count = rng.poisson(buyers.rate * days / 365)
    buyer = np.repeat(np.arange(len(count)), count)
    day = start[buyer] + (rng.random(len(buyer)) * days[buyer]).astype(np.int64)
    # Shops open from nine to nine; the web sells at all hours.
    hour = np.where(
        buyers.source[buyer] == 2,
        rng.beta(2.2, 1.6, len(buyer)) * 24,
        9 + rng.beta(1.6, 1.4, len(buyer)) * 12,
    )
    at = day * DAY_SECONDS + np.minimum((hour * 3600).astype(np.int64), DAY_SECONDS - 1)
    order = np.argsort(at, kind="stable")
    buyer, at = buyer[order], at[order]
    size = len(buyer)

    business = buyers.is_company[buyer]
    lines = np.minimum(1 + rng.poisson(np.where(business, 2.5, 1.1)), 20)
    line_order = np.repeat(np.arange(size), lines)
    line_no = np.arange(len(line_order)) - np.repeat(np.cumsum(lines) - lines, lines) + 1
    product = np.minimum(
        np.searchsorted(products.edges, rng.random(len(line_order)), side="right"), len(products.price) - 1
    )
    euro = buyers.country[buyer][line_order] == 1
    discount = np.where(rng.random(len(line_order)) < 0.2, rng.integers(70, 96, len(line_order)), 100)
    price = products.price[product] * discount // 100
    price = np.where(euro, np.maximum(price // PESOS_A_EURO, 95), price)
    quantity = np.where(
        business[line_order],
        1 + rng.geometric(0.25, len(line_order)),
        rng.geometric(0.75, len(line_order)),
    )
    cancelled = np.array([CANCELLED_SHARE[s] for s in ORDER_SOURCES])[buyers.source[buyer]]
    return Batch(
        buyer=buyer,
        number=first_number + np.arange(size),
        at=at,
        status=(rng.random(size) < cancelled).astype(np.int64),
        amount=np.bincount(line_order, weights=price * quantity, minlength=size).astype(np.int64),
        line_order=line_order,
        line_no=line_no,
        product=product,
        quantity=quantity,
        price=price,
    )


def draw_returns(rng: np.random.Generator, buyers: Buyers, batch: Batch) -> Returned:
    """What comes back of completed orders within a month: the whole order, or a part of one line."""
    size = len(batch.buyer)
    share = np.array([RETURN_SHARE[s] for s in ORDER_SOURCES])[buyers.source[batch.buyer]]
    comes = (batch.status == 0) & (rng.random(size) < share)
    whole = rng.random(size) < 0.55
    after = (rng.gamma(2.0, 4.0, size) * DAY_SECONDS).astype(np.int64) + 7200
    after = np.minimum(after, 45 * DAY_SECONDS)
    reason = rng.integers(0, len(REASONS), size)
    line = np.flatnonzero(comes[batch.line_order])
    owner = batch.line_order[line]
    keep = whole[owner] | (batch.line_no[line] == 1)
    line, owner = line[keep], owner[keep]
    quantity = batch.quantity[line]
    part = 1 + (rng.random(len(line)) * quantity).astype(np.int64)
    quantity = np.where(whole[owner], quantity, np.minimum(part, quantity))
    buyer = batch.buyer[owner]
    return Returned(
        order_number=batch.number[owner],
        order_source=buyers.source[buyer],
        line_no=batch.line_no[line],
        at=batch.at[owner] + after[owner],
        store=buyers.store[buyer],
        by_post=(buyers.source[buyer] == 2) & (rng.random(len(line)) < 0.6),
        quantity=quantity,
        amount=quantity * batch.price[line],
        country=buyers.country[buyer],
        reason=reason[owner],
    )


_LETTER = text(["EO", "PO", "WO"])
_SOURCE = text(list(ORDER_SOURCES))


def order_ids(number: Ints, source: Ints) -> pa.StringArray:
    """``PO00001234``: the letter says which system took the order."""
    return joined(take(_LETTER, source), numbers(number, 8))


def orders_table(
    rng: np.random.Generator,
    buyers: Buyers,
    batch: Batch,
    rows: Ints,
    key_of: list[pa.StringArray],
    web: Ints,
) -> pa.Table:
    """orders/orders of the batch's orders at ``rows``.

    ``key_of`` holds each source's record ids and ``web`` the rows of web users who may get a gift.
    """
    buyer = batch.buyer[rows]
    source, size = buyers.source[buyer], len(rows)
    position = np.where(buyers.row[buyer] < 0, 0, buyers.row[buyer])
    offset = np.cumsum([0, *(len(k) for k in key_of)])[:-1]
    customer = take(pa.concat_arrays(key_of), offset[source] + position)
    customer = where(buyers.row[buyer] < 0, None, customer)
    gift = (source == 2) & (rng.random(size) < GIFT_SHARE) & (len(web) > 0)
    to = take(key_of[2], web[rng.integers(0, max(len(web), 1), size)]) if len(web) else None
    channel = np.where(
        source == 1, 0, np.where(source == 2, 1 + codes(rng, (60, 40), size), 3 + codes(rng, (55, 45), size))
    )
    collected = (channel == 1) & (rng.random(size) < 0.12)
    return pa.table(
        {
            "source": take(_SOURCE, source),
            "source_customer_id": customer,
            "order_id": order_ids(batch.number[rows], source),
            "order_ts": timestamps(batch.at[rows]),
            "amount": cents(batch.amount[rows]),
            "currency": take(CURRENCY, buyers.country[buyer]),
            "status": take(text(["completed", "cancelled"]), batch.status[rows]),
            "channel": take(text(["store", "web", "app", "sales", "phone"]), channel),
            "store_id": where((source != 1) & ~collected, None, store_text(buyers.store[buyer])),
            "recipient_source": where(~gift, None, take(_SOURCE, np.full(size, 2))),
            "recipient_id": where(~gift, None, to) if to is not None else pa.nulls(size, pa.string()),
            "account_user_id": where(source != 2, None, customer),
        }
    )


def lines_table(products: Catalogue, buyers: Buyers, batch: Batch, rows: Ints) -> pa.Table:
    """orders/lines of the batch's lines at ``rows``."""
    order = batch.line_order[rows]
    product = batch.product[rows]
    return pa.table(
        {
            "order_id": order_ids(batch.number[order], buyers.source[batch.buyer[order]]),
            "line_no": numbers(batch.line_no[rows]),
            "sku": take(products.sku, product),
            "product_name": take(products.name, product),
            "category": take(products.category, product),
            "quantity": numbers(batch.quantity[rows]),
            "unit_price": cents(batch.price[rows]),
            "amount": cents(batch.price[rows] * batch.quantity[rows]),
        }
    )


def returns_table(returned: Returned, first_number: int) -> pa.Table:
    """orders/returns."""
    size = len(returned.at)
    return pa.table(
        {
            "return_id": joined("R", numbers(first_number + np.arange(size), 8)),
            "order_id": order_ids(returned.order_number, returned.order_source),
            "line_no": numbers(returned.line_no),
            "returned_at": timestamps(returned.at),
            "channel": take(text(["store", "post"]), returned.by_post.astype(np.int64)),
            "store_id": where(returned.by_post, None, store_text(returned.store)),
            "quantity": numbers(returned.quantity),
            "amount": cents(returned.amount),
            "currency": take(CURRENCY, returned.country),
            "reason": take(REASONS, returned.reason),
        }
    )
