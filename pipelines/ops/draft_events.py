"""What the columns of orders, their lines, returns and cases are called: how a draft tells events from one another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipelines.linkage.columns import folded

if TYPE_CHECKING:
    from pipelines.ops.sample import Sample

_ORDER = (
    "order_id order_no order_number pedido id_pedido num_pedido numero_pedido no_pedido n_pedido nro_pedido cod_pedido "
    "ticket_no invoice"
)
_BY_NAME_OR_ID = ("customer", "client", "cliente")
"""Columns called so hold the customer's id, or the name beside it."""
_CUSTOMER = (
    "customer_id source_customer_id client_id id_customer id_client id_cliente cliente_id cod_cliente codigo_cliente "
    "cliente_codigo clave_cliente num_cliente numero_cliente no_cliente n_cliente nro_cliente ref_cliente "
    "referencia_cliente cliente_ref customer_no customer_number customer_code customer_key customer_ref client_no "
    "client_number client_code client_ref idcliente customerid id_socio socio_id num_socio numero_socio member_id member_no "
    f"{' '.join(_BY_NAME_OR_ID)} card_no user_id contact_id"
)
_LINE = "line_no line line_number linea num_linea no_linea n_linea nro_linea posicion partida renglon"
_QUANTITY = "quantity qty cantidad unidades units piezas"
_AMOUNT = (
    "amount total importe importe_total monto monto_total total_amount total_pedido gross order_total valor"
)
_CURRENCY = "currency moneda divisa currency_code"
_STORE = "store_id store tienda sucursal id_tienda"
EVENTS: dict[str, dict[str, str]] = {
    "returns": {
        "return_id": "return_id return_no id_devolucion devolucion num_devolucion numero_devolucion no_devolucion refund_id",
        "returned_at": "returned_at return_ts return_date fecha_devolucion refunded_at refund_date fecha date timestamp created_at",
        "amount": f"refund refund_amount importe_devuelto monto_devuelto {_AMOUNT}",
        "order_id": _ORDER,
        "line_no": _LINE,
        "quantity": f"returned_quantity cantidad_devuelta {_QUANTITY}",
        "currency": _CURRENCY,
        "reason": "reason motivo razon return_reason motivo_devolucion",
        "channel": "channel canal",
        "store_id": _STORE,
    },
    "order_lines": {
        "order_id": _ORDER,
        "line_no": _LINE,
        "quantity": _QUANTITY,
        "amount": "line_amount line_total importe_linea amount importe monto valor",
        "unit_price": "unit_price price precio precio_unitario pvp",
        "sku": "sku article articulo product_id id_producto cod_articulo codigo_articulo stock_code ean",
        "product_name": "product_name product producto nombre_producto descripcion description",
        "category": "category categoria familia department departamento",
    },
    "orders": {
        "order_id": _ORDER,
        "ordered_at": "order_ts ordered_at order_date order_time fecha_pedido fecha fecha_compra date timestamp "
        "created_at",
        "amount": _AMOUNT,
        "currency": _CURRENCY,
        "status": "status estado estatus order_status estado_pedido",
        "record_id": _CUSTOMER,
        "channel": "channel canal",
        "store_id": _STORE,
        "source": "source source_system origen",
    },
    "cases": {
        "case_id": "ticket_id case_id id_ticket caso id_caso case_no incidencia",
        "opened_at": "opened_at created_at fecha_apertura abierto opened fecha",
        "first_response_at": "first_response_at primera_respuesta first_reply_at",
        "closed_at": "closed_at fecha_cierre solved_at cerrado",
        "category": "category categoria tipo type motivo",
        "case_type": "case_type tipo_caso clase clase_caso",
        "priority": "priority prioridad",
        "status": "status estado estatus",
        "csat": "csat satisfaction satisfaccion valoracion",
        "is_reopened": "reopened is_reopened reabierto reabierta",
        "record_id": f"requester_id {_CUSTOMER}",
        "source": "source source_system origen",
    },
}
"""Target → column of its map → what sources call it, in ``words``; the first target of which all that is ``NEEDED`` stands is it."""
NEEDED = {
    "returns": ("return_id", "returned_at", "amount"),
    "order_lines": ("order_id", "line_no", "quantity"),
    "orders": ("order_id", "ordered_at", "amount"),
    "cases": ("case_id", "opened_at"),
}
FILLED = 0.95
"""Share of the rows that have what is ``NEEDED``; a row without it would be set aside."""
KEYS = {
    "returns": ("return_id",),
    "order_lines": ("order_id", "line_no"),
    "orders": ("order_id",),
    "cases": ("case_id",),
}
PARSES = {
    "amount": "amount",
    "unit_price": "amount",
    "quantity": "number",
    "csat": "integer",
    "is_reopened": "boolean",
}


def words(column: str) -> str:
    """A column's name, folded, without the particles between its words.

    >>> words("Fecha de la última modificación")
    'fecha_ultima_modificacion'
    """
    return re.sub(r"_(?:de|del|la)(?=_)", "", folded(column))


def called(sample: Sample, names: str) -> str | None:
    """The first column with one of the names, in the names' order."""
    by_name = {words(column): column for column in reversed(sample.columns)}
    return next((by_name[n] for n in names.split() if n in by_name), None)


def event_of(sample: Sample) -> tuple[str, dict[str, str]] | None:
    """Which events the rows are, and which column is what; None where they are none."""
    for target, vocabulary in EVENTS.items():
        roles = {role: column for role in vocabulary if (column := _column_of(sample, target, role))}
        has_money = target != "order_lines" or not roles.keys().isdisjoint(("amount", "unit_price"))
        if has_money and all(role in roles and _is_filled(sample, roles[role]) for role in NEEDED[target]):
            return target, roles
    return None


def _column_of(sample: Sample, target: str, role: str) -> str | None:
    names = EVENTS[target][role]
    if role == "record_id":
        names = " ".join(n for n in names.split() if n not in _BY_NAME_OR_ID or _has_ids(sample, n))
    return called(sample, names)


def _has_ids(sample: Sample, name: str) -> bool:
    """True unless most values are without a digit, as people's names are."""
    column = called(sample, name)
    values = sample.values[column] if column is not None else []
    return 2 * sum(any(c.isdigit() for c in value) for value in values) >= len(values)


def _is_filled(sample: Sample, column: str) -> bool:
    """True where nearly every row has a value: an order may name its refund, and most have none."""
    return len(sample.values[column]) >= FILLED * sample.rows


def also_orders(sample: Sample) -> bool:
    """True where lines also say when the order was and whose it is, of which ``derive`` makes orders."""
    return all(_column_of(sample, "orders", role) for role in ("ordered_at", "record_id"))
