"""conf/renames.yml: what is refused, with a line that says what to do."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.errors import UsageError
from pipelines.ops.configurations import configuration, keep_configuration
from pipelines.packaged import default_conf
from pipelines.renames import DECLARED
from pipelines.settings import load_settings
from pipelines.silver.renames import SCHEMA, begun_on, former_names, in_force, source_now
from pipelines.storage import Warehouse

KEYS = {"good.csv": "old,new\n1,A1\n2,A2\n", "chain.csv": "old,new\n1,2\n2,3\n"}
BAD_KEYS = {
    "header.csv": ("from,to\n1,2\n", "expected the columns old and new"),
    "empty.csv": ("old,new\n1,\n", "empty.csv:2: give an old key"),
    "same.csv": ("old,new\n7,7\n", "same.csv:2: give an old key and another new one"),
    "twice.csv": ("old,new\n1,2\n1,3\n", "twice.csv:3: the old key stands twice"),
    "joins.csv": ("old,new\n1,3\n2,3\n", "two become one"),
    "circle.csv": ("old,new\n1,2\n2,3\n3,1\n", "circle"),
}


def declared(folder: Path, text: str) -> pa.Table:
    """What ``renames.yml`` with this text declares; the sources are padron's own, without web: it is shop."""
    if not (folder / "sources").exists():
        shutil.copytree(default_conf() / "sources", folder / "sources")
        web = folder / "sources" / "web.yml"
        web.write_text(
            web.read_text(encoding="utf-8").replace("source: web", "source: shop", 1), encoding="utf-8"
        )
        for name, content in (*KEYS.items(), *((n, c) for n, (c, _) in BAD_KEYS.items())):
            (folder / name).write_text(content, encoding="utf-8")
    (folder / "renames.yml").write_text(text, encoding="utf-8")
    return load_settings(folder).renames


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: [{from: web, to: shpo, since: 2026-07-02}]", "shpo, which web became, is no source"),
        ("sources: [{from: crm, to: shop, since: 2026-07-02}]", "crm is still declared in conf/sources"),
        (
            "sources: [{from: web, to: shop, since: 2026-07-02}, {from: app, to: shop, since: 2026-07-03}]",
            "two become one, shop",
        ),
        (
            "sources: [{from: web, to: app, since: 2026-07-02}, {from: app, to: web, since: 2026-07-03}]",
            "circle at web",
        ),
        (
            "sources: [{from: app, to: web, since: 2026-07-03}, {from: web, to: shop, since: 2026-07-02}]",
            "give the later rename the later date",
        ),
        ("sources: [{from: web, to: shop}]", "since"),
        ("keys: [{source: crn, file: good.csv, since: 2026-07-02}]", "crn is no source"),
        ("keys: [{source: crm, file: none.csv, since: 2026-07-02}]", "none.csv does not exist"),
        (
            "keys: [{source: crm, file: good.csv, since: 2026-07-02}, {source: crm, file: chain.csv, since: 2026-07-02}]",
            "rename the same key of crm",
        ),
        *(
            (f"keys: [{{source: crm, file: {name}, since: 2026-07-02}}]", said)
            for name, (_, said) in BAD_KEYS.items()
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        declared(tmp_path, text)


def test_renames_are_part_of_what_decides_a_night(tmp_path: Path) -> None:
    rows = declared(tmp_path, "keys: [{source: crm, file: chain.csv, since: 2026-07-02}]")
    assert rows.num_rows == 2
    before = load_settings(tmp_path).digest
    (tmp_path / "chain.csv").write_text("old,new\n1,2\n2,4\n", encoding="utf-8")
    assert load_settings(tmp_path).digest != before


def test_the_record_keeps_no_renamed_key_but_tells_that_keys_changed(tmp_path: Path) -> None:
    sources = "sources: [{from: web, to: shop, since: 2026-07-02}]\n"
    (tmp_path / "people.csv").write_text("old,new\n1,2\n", encoding="utf-8")
    declared(tmp_path, f"{sources}keys: [{{source: crm, file: people.csv, since: 2026-07-02}}]")

    def kept(keys: str) -> dict[str, Any]:
        (tmp_path / "people.csv").write_text(f"old,new\n{keys}\n", encoding="utf-8")
        house = Warehouse(str(tmp_path / "warehouse"))
        settings = load_settings(tmp_path)
        keep_configuration(house, settings)
        found = configuration(house, settings.digest)
        assert found is not None
        return found

    first, second = kept("ana-81,ana-82"), kept("ana-81,ana-83")
    assert "ana-8" not in str(first)
    assert first["renames"]["new_source"] == ["shop"]
    assert [name for name in first if first[name] != second[name]] == ["renamed_keys"]


def rename(
    old: str, new: str, day: int, keys: tuple[str | None, str | None] = (None, None)
) -> dict[str, object]:
    return {
        "source": old,
        "record_id": keys[0],
        "new_source": new,
        "new_record_id": keys[1],
        "since": date(2026, 7, day),
    }


def table(*rows: dict[str, object]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=DECLARED)


def test_a_rename_begins_on_its_date_and_holds_when_nobody_declares_it_any_more() -> None:
    keys = table(rename("crm", "crm", 3, ("1", "2")))
    assert in_force(None, keys, date(2026, 7, 2)).num_rows == 0
    third = in_force(None, keys, date(2026, 7, 3))
    assert begun_on(third, None).num_rows == 1
    fourth = in_force(third, table(), date(2026, 7, 4))
    assert fourth.equals(third)
    assert begun_on(fourth, third).num_rows == 0
    # Declared still, it begins only once.
    assert in_force(third, keys, date(2026, 7, 4)).equals(third)


def test_what_begins_is_told_by_its_name_whatever_the_order_of_the_stored_rows() -> None:
    second = in_force(None, table(rename("web", "shop", 2)), date(2026, 7, 2))
    third = in_force(
        second,
        table(rename("crm", "crm", 3, ("1", "2")), rename("crm", "crm", 3, ("3", "4"))),
        date(2026, 7, 3),
    )
    turned = third.take([2, 0, 1])
    assert sorted(begun_on(turned, second)["record_id"].to_pylist()) == ["1", "3"]
    assert begun_on(turned, third).num_rows == 0
    # The same key once more, from a later date.
    later = in_force(turned, table(rename("crm", "crm", 5, ("1", "9"))), date(2026, 7, 5))
    assert begun_on(later.take([3, 0, 2, 1]), third)["new_record_id"].to_pylist() == ["9"]


def test_a_source_has_its_new_name_as_soon_as_that_is_declared() -> None:
    assert in_force(None, table(rename("web", "shop", 9)), date(2026, 7, 2)).num_rows == 1


def test_what_was_applied_is_not_declared_otherwise() -> None:
    applied = in_force(None, table(rename("web", "shop", 2)), date(2026, 7, 2))
    with pytest.raises(UsageError, match="web was already renamed since 2026-07-02"):
        in_force(applied, table(rename("web", "store", 2)), date(2026, 7, 3))


def test_a_chain_of_names_leads_to_the_name_of_now() -> None:
    chain = in_force(None, table(rename("web", "shop", 2), rename("shop", "app", 5)), date(2026, 7, 5))
    assert former_names(chain, "app") == ["shop", "web"]
    assert [source_now(chain, name) for name in ("web", "shop", "app", "crm")] == ["app", "app", "app", "crm"]
    assert SCHEMA.names == chain.column_names
