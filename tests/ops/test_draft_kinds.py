"""What rows become where they are like something else: payments, invoices, lines without a number, products, staff."""

from __future__ import annotations

from pathlib import Path

import pytest
from draft_house import drafted, mapped

from pipelines.cli import execute
from pipelines.sources import Mapped

PAYMENTS = """id_pago;pedido;cliente_id;fecha;importe;forma_pago
1;100;C1;01/07/2026;10,50;Tarjeta
2;100;C1;02/07/2026;5,00;Efectivo
3;101;C2;15/07/2026;7,00;Tarjeta
"""
INVOICES = """factura;cliente_id;fecha;importe
F1;C1;14/07/2026;10,50
F2;C1;15/07/2026;5,00
"""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (PAYMENTS, "payments (id_pago) of orders (pedido)"),
        (
            "payment_id,order_id,amount,currency,paid_at,method\nP1,O1,10.5,EUR,2026-07-01,card\nP2,O1,5,EUR,2026-07-02,cash\n",
            "payments (payment_id) of orders (order_id)",
        ),
        (
            "Pedido,Fecha de pago,Monto\n1,01/07/2026,10.50\n1,14/07/2026,5.00\n",
            "payments (Fecha_de_pago) of orders (Pedido)",
        ),
        (
            "invoice_id,order_id,issued_on,amount\nI1,O1,2026-07-01,10.5\nI2,O1,2026-07-02,5\n",
            "invoices (invoice_id) of orders (order_id)",
        ),
    ],
)
def test_what_follows_an_order_is_landed_only_and_said(tmp_path: Path, content: str, said: str) -> None:
    made, source = drafted(tmp_path, "feed.csv", content)
    feed = source.feeds["feed"]
    assert (feed.target, feed.map, feed.mode) == ("bronze_only", {}, "append")
    assert made.doubt is not None
    assert made.doubt.startswith(f"target: the rows look like {said}, of which no table is made")
    assert made.checks[0] == made.doubt


@pytest.mark.parametrize("date", ["fecha", "fecha_emision"])
def test_invoices_without_orders_become_orders_with_a_doubt(tmp_path: Path, date: str) -> None:
    made, source = drafted(tmp_path, "facturas.csv", INVOICES.replace("fecha", date))
    assert (source.feeds["feed"].target, source.feeds["feed"].key) == ("orders", ("factura",))
    assert f"# - {made.doubt}" in made.text
    assert made.doubt is not None
    assert "look like invoices (factura), and may be no orders" in made.doubt


def test_the_terminal_says_the_doubt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "facturas.csv"
    file.write_text(INVOICES, encoding="utf-8")
    assert execute(["source", "draft", str(file), "--out", str(tmp_path / "f.yml")]) == 0
    assert "may be no orders" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "content",
    [
        "pedido,fecha_pedido,importe,factura,id_pago\n1,2026-07-01,10.5,F1,P1\n2,2026-07-02,11.5,F2,P2\n",
        "order_id,created_at,paid_at,total\n1,2026-07-01,2026-07-02,10.5\n",
        "order_id,payment_id,date,amount\nO1,P1,2026-07-01,10.5\nO2,P2,2026-07-01,5\n",
        "ID_TICKET,FECHA,SUCURSAL,TOTAL\n1,2026-07-01,S1,10.50\n2,2026-07-01,S2,8.00\n",
        "No. Orden,Fecha Orden,ID Cliente,Monto Total\n1,01/07/2026,C1,10.50\n",
    ],
)
def test_orders_that_name_a_payment_or_invoice_are_orders(tmp_path: Path, content: str) -> None:
    made, source = drafted(tmp_path, "feed.csv", content)
    assert (source.feeds["feed"].target, made.doubt) == ("orders", None)


def test_lines_without_a_number_are_told_apart_by_their_article(tmp_path: Path) -> None:
    rows = "order_id,sku,quantity,price\nO1,A1,2,3.50\nO1,A2,1,9.99\nO2,A1,1,3.50\n"
    made, source = drafted(tmp_path, "lines.csv", rows)
    feed = source.feeds["feed"]
    assert (feed.target, feed.key, feed.map["line_no"]) == (
        "order_lines",
        ("order_id", "sku"),
        Mapped(column="sku"),
    )
    assert any(
        check.startswith("line_no: no column numbers the lines of an order; sku") for check in made.checks
    )


def test_lines_that_nothing_tells_apart_stand_for_themselves(tmp_path: Path) -> None:
    rows = "pedido;fecha;cliente;articulo;uds;importe\n1;1/7/2026;C1;A1;2;7,00\n1;1/7/2026;C1;A1;1;3,50\n"
    made, source = drafted(tmp_path, "lineas.csv", rows)
    feed = source.feeds["feed"]
    assert (feed.target, feed.key, feed.map["line_no"]) == (
        "order_lines",
        ("_file", "_row"),
        Mapped(column="_row"),
    )
    assert any("may count twice" in check for check in made.checks)
    assert any(check.startswith("derive:") for check in made.checks)


def test_an_order_of_one_article_stays_an_order(tmp_path: Path) -> None:
    rows = "pedido,fecha,articulo,cantidad,importe\n1,2026-07-01,A1,2,7\n2,2026-07-02,A1,1,3.5\n"
    _, source = drafted(tmp_path, "pedidos.csv", rows)
    assert source.feeds["feed"].target == "orders"


def test_who_served_is_not_the_customer(tmp_path: Path) -> None:
    rows = (
        "id_cliente;nombre;email;telefono;vendedor;agent_email;nombre_cajero;telefono_asesor\n"
        "1;Ana Ruiz;ana@x.es;612345678;Leo Mas;leo@t.es;Eva Gil;612345679\n"
        "2;Luis Gil;luis@x.es;612345671;Leo Mas;leo@t.es;Eva Gil;612345679\n"
    )
    made, source = drafted(tmp_path, "clientes.csv", rows)
    made_of = source.feeds["feed"].map
    assert (made_of["emails_raw"], made_of["phones_raw"], mapped(source, "full_name_raw").column) == (
        (Mapped(column="email"),),
        (Mapped(column="telefono"),),
        "nombre",
    )
    assert (
        "of those who served and not of the customer, so without a role: agent_email, nombre_cajero, telefono_asesor, vendedor"
    ) in made.checks


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("agent_id;agent_name;agent_email\n1;Leo Mas;leo@t.es\n2;Eva Gil;eva@t.es\n", "staff (agent_id)"),
        ("num_empleado;nombre;email\n1;Leo Mas;leo@t.es\n2;Eva Gil;eva@t.es\n", "staff (num_empleado)"),
        ("SKU;Nombre;PVP\nA1;Camisa;9,99\nA2;Gorra;5,00\n", "products (SKU)"),
        ("id_tienda;nombre;telefono;email\nT1;Sol;911234567;a@x.es\nT2;Gran;911234568;b@x.es\n", "stores"),
    ],
)
def test_what_is_no_customer_does_not_become_one(tmp_path: Path, content: str, said: str) -> None:
    made, source = drafted(tmp_path, "feed.csv", content)
    feed = source.feeds["feed"]
    assert (feed.target, feed.key) == ("bronze_only", (content.split(";")[0],))
    assert made.doubt is not None
    assert said in made.doubt


def test_staff_alone_are_no_customers(tmp_path: Path) -> None:
    rows = "id;agent_name;agent_email\n1;Leo Mas;leo@t.es\n2;Eva Gil;eva@t.es\n"
    _, source = drafted(tmp_path, "feed.csv", rows)
    assert (source.feeds["feed"].target, source.feeds["feed"].key) == ("bronze_only", ("id",))


def test_people_with_money_may_be_purchases(tmp_path: Path) -> None:
    rows = "Name,Email,Billing Phone,Total\n#1,ana@x.es,612345678,10.50\n#2,leo@x.es,612345679,5.00\n"
    made, source = drafted(tmp_path, "export.csv", rows)
    assert "full_name_raw" not in source.feeds["feed"].map, "a number is no name"
    assert made.doubt is not None
    assert "have money (Total): are they purchases?" in made.doubt


def test_the_number_of_a_house_is_no_key(tmp_path: Path) -> None:
    rows = "NOM_CTE,AP_PAT,AP_MAT,CEL,NUM_EXT,CP,CVE_CTE\nANA,RUIZ,GIL,5512345678,1,06000,9\nLEO,MAS,GIL,5512345679,2,06001,8\n"
    _, source = drafted(tmp_path, "clientes.csv", rows)
    assert source.feeds["feed"].key == ("CVE_CTE",)
    assert (mapped(source, "given_name_raw").column, mapped(source, "surname_raw").column) == (
        "NOM_CTE",
        "AP_PAT",
    )


def test_incidents_with_numbers_of_customers_are_cases(tmp_path: Path) -> None:
    rows = "Nº incidencia;Fecha apertura;Tipo;Prioridad;Cliente\n1;14/07/2026;Queja;Alta;7\n2;15/07/2026;Envío;Alta;8\n"
    _, source = drafted(tmp_path, "incidencias.csv", rows)
    assert (source.feeds["feed"].target, mapped(source, "record_id").column) == ("cases", "Cliente")


def test_a_card_with_its_day_of_issue_is_no_invoice(tmp_path: Path) -> None:
    rows = "tarjeta;nombre;email;fecha_emision\n4411;Ana Ruiz;ana@x.es;14/07/2024\n4412;Leo Mas;leo@x.es;15/07/2024\n"
    made, source = drafted(tmp_path, "tarjetas.csv", rows)
    assert (source.feeds["feed"].target, made.doubt) == ("customer_records", None)
