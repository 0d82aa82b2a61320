"""What the columns of events are called: how a draft tells orders, their lines, returns and cases from one another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipelines.bronze.secrets import is_secret_name
from pipelines.linkage.columns import folded, is_of_staff

if TYPE_CHECKING:
    from pipelines.ops.sample import Sample

_ORDER = (
    "order_id order_no order_number order_code order_ref orderid sale_id sale_no transaction_id pedido id_pedido pedido_id "
    "num_pedido numero_pedido no_pedido n_pedido nro_pedido cod_pedido codigo_pedido ref_pedido referencia_pedido idpedido "
    "orden id_orden orden_id num_orden numero_orden no_orden venta id_venta venta_id num_venta numero_venta no_venta "
    "folio_venta id_compra num_compra numero_compra id_transaccion num_transaccion ticket_no num_ticket numero_ticket "
    "no_ticket n_ticket folio_ticket"
)
_TICKET = "ticket_id id_ticket ticket"
"""Called so, a purchase at a till where there is money, and a case where there is none."""
_INVOICE = (
    "invoice_id invoice invoice_no invoice_number factura id_factura factura_id num_factura numero_factura no_factura "
    "n_factura nro_factura cod_factura folio_factura folio_fiscal"
)
_PURCHASE = f"{_ORDER} {_TICKET} {_INVOICE} folio"
_BY_NAME_OR_ID = ("customer", "client", "cliente")
"""Columns called so hold the customer's id, or the name beside it."""
_CUSTOMER = (
    "customer_id source_customer_id client_id id_customer id_client id_cliente cliente_id cod_cliente codigo_cliente "
    "cliente_codigo cust_code cust_id cust_no clave_cliente num_cliente numero_cliente no_cliente n_cliente nro_cliente ref_cliente "
    "referencia_cliente cliente_ref customer_no customer_number customer_code customer_key customer_user customer_ref client_no "
    "client_number client_code client_ref idcliente customerid id_socio socio_id num_socio numero_socio member_id member_no "
    f"{' '.join(_BY_NAME_OR_ID)} card_no user_id contact_id"
)
_LINE = "line_no line line_number linea num_linea no_linea n_linea nro_linea posicion partida renglon"
_QUANTITY = "quantity qty cantidad cant unidades uds units piezas pzas"
_AMOUNT = (
    "amount total importe importe_total monto monto_total total_amount total_pedido total_venta total_ticket total_orden "
    "total_compra total_factura gross order_total grand_total valor"
)
_CURRENCY = "currency moneda divisa currency_code"
_STORE = "store_id store tienda sucursal id_tienda id_sucursal"
_ORDERED = (
    "order_ts ordered_at order_date order_time fecha_pedido fecha_orden fecha_compra fecha_venta fecha_ticket sale_date "
    "sold_at purchase_date purchased_at"
)
_ISSUED = "invoice_date issued_on issued_at issue_date fecha_factura fecha_emision"
EVENTS: dict[str, dict[str, str]] = {
    "returns": {
        "return_id": "return_id return_no id_devolucion devolucion num_devolucion numero_devolucion no_devolucion refund_id",
        "returned_at": "returned_at return_ts return_date fecha_devolucion refunded_at refund_date fecha date timestamp created_at",
        "amount": f"refund refund_amount importe_devuelto monto_devuelto {_AMOUNT}",
        "order_id": _PURCHASE,
        "line_no": _LINE,
        "quantity": f"returned_quantity cantidad_devuelta {_QUANTITY}",
        "currency": _CURRENCY,
        "reason": "reason motivo razon return_reason motivo_devolucion",
        "channel": "channel canal",
        "store_id": _STORE,
    },
    "order_lines": {
        "order_id": _PURCHASE,
        "line_no": _LINE,
        "quantity": _QUANTITY,
        "amount": "line_amount line_total importe_linea total_linea amount importe monto valor",
        "unit_price": "unit_price price precio precio_unitario precio_unidad pvp",
        "sku": "sku article articulo product_id id_producto producto_id cod_producto codigo_producto clave_producto id_articulo "
        "cod_articulo codigo_articulo ref_articulo referencia stock_code ean upc codigo_barras",
        "product_name": "product_name product producto nombre_producto descripcion description",
        "category": "category categoria familia department departamento",
    },
    "orders": {
        "order_id": _PURCHASE,
        "ordered_at": f"{_ORDERED} fecha fecha_hora date timestamp datetime created_at {_ISSUED}",
        "amount": _AMOUNT,
        "currency": _CURRENCY,
        "status": "status estado estatus order_status estado_pedido",
        "record_id": _CUSTOMER,
        "channel": "channel canal",
        "store_id": _STORE,
        "source": "source source_system origen",
    },
    "cases": {
        "case_id": "ticket_id case_id id_ticket num_ticket numero_ticket no_ticket n_ticket caso id_caso num_caso numero_caso no_caso "
        "n_caso case_no case_number incidencia id_incidencia num_incidencia numero_incidencia no_incidencia n_incidencia "
        "id_reclamacion num_reclamacion numero_reclamacion n_reclamacion",
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
_OF_CASES = ("priority", "csat", "is_reopened", "first_response_at", "closed_at")
"""What tells a ticket of the service from one of a till."""
NEEDED = {
    "returns": ("return_id", "returned_at", "amount"),
    "order_lines": ("order_id", "quantity"),
    "orders": ("order_id", "ordered_at", "amount"),
    "cases": ("case_id", "opened_at"),
}
DOCUMENTS = {
    "payments": "payment_id payment_no payment_number id_pago pago_id num_pago numero_pago no_pago n_pago id_cobro cobro_id "
    "num_cobro",
    "invoices": _INVOICE,
}
"""What follows a purchase, and what the number of it is called. No target is made for them."""
_PAID = "paid_at paid_on payment_date payment_ts fecha_pago fecha_cobro"
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
        has_needed = all(role in roles and is_filled(sample, roles[role]) for role in NEEDED[target])
        if has_needed and (target != "order_lines" or _are_lines(sample, roles)):
            return target, roles
    return None


def _are_lines(sample: Sample, roles: dict[str, str]) -> bool:
    """True for rows with money that are numbered, or of which several are one order, or that say the price of one piece."""
    if roles.keys().isdisjoint(("amount", "unit_price")):
        return False
    if "line_no" in roles and is_filled(sample, roles["line_no"]):
        return True
    is_of_article = not roles.keys().isdisjoint(("sku", "product_name"))
    return is_of_article and ("unit_price" in roles or not sample.is_key(roles["order_id"]))


def document_of(sample: Sample) -> tuple[str, str] | None:
    """Which of ``DOCUMENTS`` the rows may be, and the column that says so; None where they say when something was ordered."""
    if called(sample, _ORDERED) is not None or not _has_money(sample):
        return None
    for kind, names in DOCUMENTS.items():
        number = called(sample, names)
        if number is not None and _is_of(sample, kind, number):
            return kind, number
    if order_named(sample) is None:
        issued = called(sample, _ISSUED)
        return ("invoices", issued) if issued is not None else None
    paid = called(sample, _PAID)
    is_dated = _column_of(sample, "orders", "ordered_at") is not None
    return ("payments", paid) if paid is not None and not is_dated else None


def _has_money(sample: Sample) -> bool:
    said = (("orders", "amount"), ("order_lines", "amount"), ("order_lines", "unit_price"))
    return any(_column_of(sample, target, role) for target, role in said)


def _is_of(sample: Sample, kind: str, number: str) -> bool:
    """True where the rows are what ``number`` counts, and not the orders that name it besides."""
    order = order_named(sample)
    if order is None:
        return kind == "invoices" or sample.is_key(number)
    is_first = sample.columns.index(number) < sample.columns.index(order)
    return sample.is_key(number) and (is_first or not sample.is_key(order))


def thing_of(sample: Sample) -> str | None:
    """What the rows are where their own number is not a customer's: products, stores or staff."""
    first = sample.columns[0]
    if sample.rows < 2 or not sample.is_key(first) or is_secret_name(first):
        return None
    if is_of_staff(first):
        return "staff"
    named_so = {"products": EVENTS["order_lines"]["sku"], "stores": _STORE}
    return next((kind for kind, names in named_so.items() if words(first) in names.split()), None)


def order_named(sample: Sample) -> str | None:
    """The column with the number of an order, be it beside that of a document which follows it."""
    return called(sample, f"{_ORDER} {_TICKET}")


def _column_of(sample: Sample, target: str, role: str) -> str | None:
    names = EVENTS[target][role]
    if role == "record_id":
        names = " ".join(n for n in names.split() if n not in _BY_NAME_OR_ID or _has_ids(sample, n))
    if role == "order_id" and any(called(sample, EVENTS["cases"][told]) for told in _OF_CASES):
        names = f"{_ORDER} {_INVOICE}"
    return called(sample, names)


def _has_ids(sample: Sample, name: str) -> bool:
    """True unless most values are without a digit, as people's names are."""
    column = called(sample, name)
    values = sample.values[column] if column is not None else []
    return 2 * sum(any(c.isdigit() for c in value) for value in values) >= len(values)


def is_filled(sample: Sample, column: str) -> bool:
    """True where nearly every row has a value: an order may name its refund, and most have none."""
    return len(sample.values[column]) >= FILLED * sample.rows


def also_orders(sample: Sample) -> bool:
    """True where lines also say when the order was and whose it is, of which ``derive`` makes orders."""
    return all(_column_of(sample, "orders", role) for role in ("ordered_at", "record_id"))
