"""Credentials that a source delivers by mistake are never stored, and never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from landing_box import NIGHT, Box

from pipelines.bronze.batches import batch_rows
from pipelines.bronze.read import land
from pipelines.bronze.secrets import REMOVED, WITHHELD, is_secret_name, without_secrets
from pipelines.config import Project
from pipelines.ops.delivery_checks import secrets
from pipelines.sources import Source

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"


CREDENTIALS = [
    "password",
    "PASSWORD_HASH",
    "user pwd",
    "Contraseña",
    "apiKey",
    "mot de passe",
    "CVV",
    "cvv2",
    "token",
    "client_secret",
    "reset_password_token",
    "password_reset_token",
    "password_on_file",
    "api_token",
    "user_token",
    "passwords",
    "password2",
    "userpassword",
    "passwordhash",
    "otp",
    "secret_answer",
    "nip",
    "codigo_seguridad",
    "Código de seguridad",
    "token_sesion",
    "tokenAcceso",
    "respuesta secreta",
    "clave_privada",
    "pass_hash",
    "user_pass",
    "codigo_pin",
    "security_pin",
    "ciec",
    "authorization_header",
    "ssh_key",
    "totp_seed",
    "seed_phrase",
    "passkey",
    "pswd",
    "contrasenia",
    "pw_md5",
    "password_new",
    "contrasena_web",
    "login_password_web",
    "id_token",
]
OTHERS = [
    "pin_code",
    "clave",
    "clave_cliente",
    "clave_producto",
    "passport",
    "pincode_area",
    "password_changed_at",
    "password_changed_on",
    "password_reset_at",
    "password_updated_by",
    "has_password",
    "token_count",
    "passwordless",
    "secretary",
    "compass",
    "key",
    "pino",
    "loyalty_token",
    "fecha_cambio_contrasena",
    "intentos_contrasena",
    "last_password_change",
    "password_strength",
    "passenger",
    "pass_type",
    "nipple_size",
    "tokenised",
    "clave_sat",
    "clave de usuario",
    "pincode",
    "passkeys_enabled_at",
]


@pytest.mark.parametrize(("names", "hold"), [(CREDENTIALS, True), (OTHERS, False)])
def test_a_name_says_whether_a_column_holds_credentials(names: list[str], hold: bool) -> None:
    assert [name for name in names if is_secret_name(name) is not hold] == []


@pytest.mark.parametrize(
    "value",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC",
        "AKIAIOSFODNN7EXAMPLE",
        JWT,
        "$2b$12$KIXQhYcX1bq0mYb7mYb7mOq8m8m8m8m8m8m8m8m8m8m8m8m8m8m8m",
        "su contraseña: Luna2024!",
        "clave de acceso: Luna2024",
        "my password is hunter22",
        "api key: abcdef1234567",
        "https://x.blob.core.windows.net/c?sv=2022&sig=" + "aB3%2F" * 8 + "%3D",
        "ATATT3xFfGF0abcdefghijklmnopqrstuvwxyz",
        "postgres://admin:hunter2@db",
        "Authorization: Bearer abcdefghijklmnopqrstuvwxyz",
    ],
)
def test_a_value_that_looks_like_a_credential_is_removed_and_the_rest_stays(value: str) -> None:
    (kept,) = without_secrets(pa.array([f"note {value}"])).to_pylist()
    assert REMOVED in kept
    assert kept.startswith("note")
    assert not {"MIIEow", "Luna2024!", "hunter2", "AKIAIOSFODNN7EXAMPLE"} & set(
        kept.replace("@", " ").split()
    )


@pytest.mark.parametrize(
    "value",
    [
        "github_pat_" + "11AB_cd" * 6,
        "AIza" + "Sy_-x" * 7,
        "sk-" + "aB3" * 16,
        "sk-proj-" + "aB3_-" * 10,
        "pbkdf2_sha256$600000$salt$aGFzaA/+=",
        "$6$rounds=5000$salt$" + "aB3./" * 17 + "a",
        "$1$salt$" + "aB3./" * 4 + "ab",
        "$P$B" + "aB3./" * 6,
        "{SSHA}" + "aB3+/" * 6 + "==",
        "scrypt:32768:8:1$salt$" + "ab12" * 16,
        "*" + "0123456789ABCDEF" * 2 + "01234567",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nMIIEow\n-----END PGP PRIVATE KEY BLOCK-----",
        "glpat-" + "aB3_-" * 4,
        "hf_" + "aB3" * 11,
        "SG." + "aB3_-" * 4 + "." + "aB3_-" * 8,
        "GOCSPX-" + "aB3_-" * 5,
        "hvs." + "aB3_-" * 5,
        "authorization: Basic dXNlcjpwYXNz",
        "token=" + "aB3._" * 4,
        "token: 9f8e7d6c5b4a39281716",
        "id_token = 9f8e7d6c5b4a39281716",
        "secret: hunter2024",
        "Kennwort: Luna2024",
        "mot de passe : Luna2024",
        "mot de passe\u00a0: Luna2024",
        "contrasenia: Luna2024",
        "AccountKey=" + "aB3+/" * 8 + "==",
        "cvv: 123",
        "contraseñas: Luna2024",
        "password_hash=5f4dcc3b5aa765d61d8327deb882cf99",
    ],
)
def test_a_key_or_hash_is_removed_whole(value: str) -> None:
    assert without_secrets(pa.array([f"note {value} end"])).to_pylist() == [f"note {REMOVED} end"]


@pytest.mark.parametrize("value", ['"[secure!1"', '"[segura99"', '"[secret1"', "'abcd", '"[x1"'])
def test_a_quoted_value_is_removed_whatever_it_begins_with(value: str) -> None:
    assert without_secrets(pa.array([f"password={value} y nada"])).to_pylist() == [f"{REMOVED} y nada"]


@pytest.mark.parametrize("name", ["user_password", "userPassword", "old_pwd"])
def test_a_named_value_is_removed_whatever_precedes_its_name(name: str) -> None:
    (kept,) = without_secrets(pa.array([f"{name}=hunter2 end"])).to_pylist()
    assert kept.endswith(f"{REMOVED} end")
    assert "hunter2" not in kept


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pin", 4821),
        ("user_pin", "4821"),
        ("cvv", "123"),
        ("accessToken", "abcdef"),
        ("access_token", "abcdef"),
        ("secret", "x"),
        ("passwordHash", "5f4d"),
        ("password_hash", "5f4d"),
        ("clave_acceso", "Luna2024"),
        ("contraseña", "Luna2024"),
        ("contrase\\u00f1a", "Luna2024"),
        ("credentials", "ana:Luna"),
    ],
)
def test_a_key_of_credentials_in_json_keeps_its_place_and_not_its_value(key: str, value: object) -> None:
    said = f'{{"usuario": "ana", "{key}": {json.dumps(value)}, "city": "Lugo"}}'
    (kept,) = without_secrets(pa.array([said])).to_pylist()
    assert kept == said.replace(json.dumps(value), f'"{REMOVED}"')


@pytest.mark.parametrize("name", [*CREDENTIALS, "card_token", "C\\u00f3digo de seguridad"])
def test_in_json_and_xml_a_name_says_the_same_as_that_of_a_column(name: str) -> None:
    in_json = without_secrets(pa.array([f'{{"{name}":"Luna2024"}}'])).to_pylist()
    assert in_json == [f'{{"{name}":"{REMOVED}"}}']
    if name.isidentifier():
        said = [
            f"<{name}>Luna2024</{name}>",
            f'<u id="7" {name}="Luna 24"/>',
            f"<u {name} = 'Luna\"24'>Ana</u>",
        ]
        assert without_secrets(pa.array(said)).to_pylist() == [
            f"<{name}>{REMOVED}</{name}>",
            f'<u id="7" {name}="{REMOVED}"/>',
            f"<u {name} = '{REMOVED}'>Ana</u>",
        ]


# The pattern for pieces of JSON sees how a key ends, not what it begins with.
@pytest.mark.parametrize("name", [n for n in OTHERS if not n.endswith(("_password", "_contrasena"))])
def test_in_json_and_xml_other_names_keep_their_values(name: str) -> None:
    said = [f'{{"{name}":"Luna2024"}}', f"<{name}>Luna2024</{name}>", f'<u {name}="Luna2024">Ana</u>']
    assert without_secrets(pa.array(said)).to_pylist() == said


@pytest.mark.parametrize(
    "value",
    ['["Luna2024"]', '{"main": "Lu}na", "old": [["x"], 1.5]}', "7", '"a\\"b"', "-1.5e9", "[" * 50_000],
)
def test_a_credential_in_json_is_removed_whatever_its_type_and_all_else_stays_as_written(value: str) -> None:
    begun = '[{"n": 12345678901234567890.10, "city" : "Coru\\u00f1a","passwords":  '
    end = "" if value.endswith("[") else ', "b": [ ]}]'
    (kept,) = without_secrets(pa.array([begun + value + end])).to_pylist()
    assert kept == f'{begun}"{REMOVED}"{end}'
    assert without_secrets(pa.array([kept])).to_pylist() == [kept]


def test_json_that_was_cut_off_and_json_within_a_text_hold_no_credential() -> None:
    said = ['{"city": "Lugo", "password": "Luna20', 'got {"password_new": {"main": "Luna2024"}} at 9:30']
    assert without_secrets(pa.array(said)).to_pylist() == [
        f'{{"city": "Lugo", "password": "{REMOVED}"',
        f'got {{"password_new": "{REMOVED}"}} at 9:30',
    ]


def test_an_element_of_credentials_keeps_its_place_and_not_its_value() -> None:
    said = '<u><name>Ana</name><wsse:Password Type="t"><![CDATA[Lu<na]]></wsse:Password></u>'
    (kept,) = without_secrets(pa.array([said])).to_pylist()
    assert kept == said.replace("<![CDATA[Lu<na]]>", REMOVED)


@pytest.mark.parametrize(
    "said",
    [
        "Amigo secreto: 24/12/2025",
        "Victoria's Secret: Bombshell2023",
        "Menú secreto: 15piezas de sushi",
        "Token: Antigua-Guatemala",
        '{"tokens": 128, "total_tokens": 12}',
        "escriba su <contraseña> y pulse",
    ],
)
def test_what_only_sounds_like_a_credential_is_kept(said: str) -> None:
    assert without_secrets(pa.array([said])).to_pylist() == [said]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<password><v>abc</v></password>", f"<password>{REMOVED}</password>"),
        ("<password>a<!-- c -->b</password><a>b</a>", f"<password>{REMOVED}</password><a>b</a>"),
        ("<ns:password>a</ns:password>", f"<ns:password>{REMOVED}</ns:password>"),
        ("<password></password>", "<password></password>"),
        ("<password/><a>b</a>", "<password/><a>b</a>"),
        (
            '<u x:token="a" name="Ana"><pin>4821</pin>',
            f'<u x:token="{REMOVED}" name="Ana"><pin>{REMOVED}</pin>',
        ),
        ('<u token="" pin=\'null\' type="password"/>', '<u token="" pin=\'null\' type="password"/>'),
        ('a < b y token="x" > c', 'a < b y token="x" > c'),
        ("<x:pin>4821</x:pin>", f"<x:pin>{REMOVED}</x:pin>"),
        ('<u note="b>c" pin="4821"/>', f'<u note="b>c" pin="{REMOVED}"/>'),
        ('<u password="x > y z"/>', f'<u password="{REMOVED}"/>'),
    ],
)
def test_an_element_or_attribute_of_xml_is_emptied_up_to_its_end(said: str, kept: str) -> None:
    assert without_secrets(pa.array([said])).to_pylist() == [kept]


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        ("<password>x</password>", "<a>" + "<![CDATA[x]]>" * 2_000 + "<b>"),
        ("<password>x</password>", "<a><![CDATA[" * 20_000),
        ("<password>" + " " * 200_000 + "x</password>", ""),
        ("en <password>x</password>", "<pin>" * 20_000),
        ("<password>x</password>", "<a " * 20_000 + "b" + ' c="' * 20_000),
    ],
    ids=["sections", "sections that never end", "blanks", "elements that never end", "tags that never end"],
)
def test_a_long_cell_is_read_once_from_its_begin_to_its_end(begun: str, rest: str) -> None:
    """A pattern that goes back and tries again would not end before the night does."""
    kept = without_secrets(pa.array([begun + rest])).to_pylist()
    prose = begun.partition("<")[0]
    assert kept == [f"{prose}<password>{REMOVED}</password>{rest}"]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<u><name>Ana</name><token>abc de", f"<u><name>Ana</name><token>{REMOVED}"),
        ('<?xml version="1.0"?><password><v>abc</v', f'<?xml version="1.0"?><password>{REMOVED}'),
        ("<u><token>", "<u><token>"),
        ('<r><u token="abc', f'<r><u token="{REMOVED}'),
        ("<r><u a='1' pin='4821", f"<r><u a='1' pin='{REMOVED}"),
        ("\ufeff<!-- a > b --><u><pin>4821", f"\ufeff<!-- a > b --><u><pin>{REMOVED}"),
        ("<b>Hola</b> mi <pin> no funciona", "<b>Hola</b> mi <pin> no funciona"),
        ("<p>Usa el <password> nuevo</p><p>Tel 600</p>", "<p>Usa el <password> nuevo</p><p>Tel 600</p>"),
        ("<pin> no funciona", "<pin> no funciona"),
        ("el <b>nuevo</b> <pin> no funciona", "el <b>nuevo</b> <pin> no funciona"),
    ],
)
def test_xml_that_was_cut_off_holds_no_credential_and_prose_stays(said: str, kept: str) -> None:
    assert without_secrets(pa.array([said])).to_pylist() == [kept]


def test_what_customers_write_is_kept() -> None:
    said = [
        "Calle Contraseña 3",
        "no recuerdo mi contraseña",
        "ana@x.es",
        "https://x.es/a:b@c",
        "sk-ii-facial-treatment-essence",
        "resenha: gostei muito",
        "12345678Z",
        "https://x.es:8080?mail=ana@x.es",
        "mesa con pin: roble",
        "DDR4 RAM PIN: 288",
        "MG Road, Bengaluru, PIN: 560001",
        '{"spin":1400,"max_spin":"1400 rpm","compass":"yes","number_of_pins":288,"season_pass":"no","hairpin":"gold"}',
        '{"bypass":"valve 3","loyalty_token":"L-4411"}',
        '{"passwords":[],"tokens":{},"otp":"","pin":null,"secret":false}',
        '{"n": 12345678901234567890.10,\t"city" : "Lugo", "city": "Lugo"}',
        "<hasPassword>yes</hasPassword><password/><password></password>",
        "escriba <contraseña> y pulse",
        "pass: anual",
        "token de regalo",
        "token: regalo",
        "secreto: no",
        "secreto: permanecer",
        "el secreto de Victoria: 2 por 1",
        '{"has_password":true,"password":null,"password_changed_at":"2026-07-01"}',
        '{"secretary":"Ana Ruiz","opinion":"bien","tokenised":"no"}',
        None,
        "",
    ]
    assert without_secrets(pa.array(said)).to_pylist() == said


def shop(columns: dict[str, object]) -> dict[str, Source]:
    feed = {"mode": "append", "key": ["id"], "target": "bronze_only", "columns": columns}
    return {
        "shop": Source.model_validate(
            {"source": "shop", "owner": "Shop", "channel": "pos", "feeds": {"lines": feed}}
        )
    }


SHOP = shop({"id": {"required": True}, "note": None, "pin": None})


def landed(box: Box, sources: dict[str, Source] = SHOP) -> tuple[list[dict[str, object]], object]:
    """The rows as the night reads them, and the head."""
    from dataclasses import replace

    from pipelines.bronze.contract import inspect
    from pipelines.bronze.rows import file_task, read_file

    (file,) = box.found().files
    head = inspect(file, sources["shop"])
    own = tuple("" if n in head.secret_columns else n for n in head.columns)
    columns = tuple(dict.fromkeys((*[n for n in own if n], *sources["shop"].feeds["lines"].columns)))
    task = replace(file_task(head, sources["shop"]), columns=own)
    return [row for b in read_file(task, columns) for row in b.to_pylist()], head


@pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet"])
def test_a_column_of_credentials_is_not_stored_in_any_format(tmp_path: Path, extension: str) -> None:
    box = Box(tmp_path, SHOP)
    rows = [{"id": "1", "note": "hola", "password": "hunter2", "pin": "9999"}]
    if extension == "csv":
        box.put("lines.csv", "id,note,password,pin\n1,hola,hunter2,9999\n2,a,b\n")
    elif extension == "jsonl":
        box.put(
            "lines.jsonl", "\n".join([*map(json.dumps, rows), '{"id": "2", "password": "hunter2"']) + "\n"
        )
    else:
        path = box.put("lines.parquet", b"")
        pq.write_table(pa.Table.from_pylist(rows), path)
    found, head = landed(box)
    assert head.secret_columns == ("password", "pin")  # type: ignore[attr-defined]
    assert head.new_columns == ()  # type: ignore[attr-defined]
    assert (found[0]["id"], found[0]["note"], found[0]["pin"], found[0]["_raw"]) == ("1", "hola", None, None)
    assert "hunter2" not in str(found)
    assert "9999" not in str(found)
    if extension != "parquet":
        assert found[1]["_raw"] == WITHHELD, "of a malformed row nobody knows which part is the password"
    (problem,) = head.problems  # type: ignore[attr-defined]
    assert (problem.code, problem.severity) == ("secret_column", "warn")
    assert "password, pin" in problem.text
    assert "hunter2" not in problem.text


@pytest.mark.parametrize("value", ['"hun ter2"', "123456", '"a\\"b"'])
def test_a_nested_credential_is_removed_and_the_rest_of_its_object_stays(tmp_path: Path, value: str) -> None:
    box = Box(tmp_path, SHOP)
    box.put("lines.jsonl", f'{{"id": "1", "note": {{"password": {value}, "city": "Lugo"}}}}\n')
    (row,), _ = landed(box)
    assert row["note"] == f'{{"password":"{REMOVED}","city":"Lugo"}}'


def test_a_credential_first_seen_beyond_the_head_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.bronze.contract.HEAD_ROWS", 1)
    box = Box(tmp_path, SHOP)
    late = {"id": "2", "before": "x", "user_password": "hunter2", "after": "y"}
    box.put("lines.jsonl", f'{{"id": "1"}}\n{json.dumps(late)}\n')
    (_, row), _ = landed(box)
    assert (row["id"], row["_raw"]) == ("2", REMOVED)


def test_conf_says_what_is_a_credential_and_what_is_not(tmp_path: Path) -> None:
    sources = shop({"id": {}, "pin": {"credential": False}, "note": {"credential": True}})
    box = Box(tmp_path, sources)
    box.put("lines.csv", "id,note,pin\n1,hola,28013\n")
    (row,), _ = landed(box, sources)
    assert (row["pin"], row["note"]) == ("28013", None)


def test_keys_that_look_like_credentials_are_no_keys_and_never_one(tmp_path: Path) -> None:
    box = Box(tmp_path, SHOP)
    box.put("lines.csv", f"id,note\n1,hola\nsk-{'aB3' * 7},dos\nsk-{'aB4' * 7},tres\n")
    rows, _ = landed(box)
    assert [(row["id"], row["note"], row["_raw"]) for row in rows] == [
        ("1", "hola", None),
        (None, "dos", REMOVED),
        (None, "tres", REMOVED),
    ]


def test_removed_values_are_counted_and_told_without_them(spark, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from datetime import UTC, datetime

    box = Box(tmp_path, SHOP)
    box.put("lines.csv", f"id,note\n1,password: hunter2\n2,hola\n3,{JWT}\n")
    found = land(spark, box.found().files, SHOP, ingested_at=datetime(2026, 7, 1, tzinfo=UTC))
    (counted,) = batch_rows(found.tables["shop", "lines"]).collect()
    assert (counted["rows"], counted["secrets"]) == (3, 2)
    file = f"{NIGHT}/shop/lines.csv"
    batch = {"batch_id": "b", "source": "shop", "file": file, "secret_columns": ["pin"], "secrets": 2}
    (verdict,) = secrets(Project(), [batch], {"b"})
    assert verdict["status"] == "warned"
    assert verdict["gate"] == "secrets shop"
    assert verdict["message"].startswith(
        "2026-07-01/shop/lines.csv has column pin, a value in 2 rows: looks like"
    )
    assert secrets(Project(), [batch], set())[0]["status"] == "passed"


@pytest.mark.parametrize(
    "value",
    [
        "Novela La clave secreta: misterio en Lugo",
        "Cerradura con llave privada: acero inoxidable",
        "Clave de acceso: pendiente de envío",
        "Clave de acceso: 0101202601179001234500110010010000000011234567813",
        "api key: ninguna",
        "la contraseña es 12/05/2024",
        "password is 2023-01-01",
        "https://cdn.example/a.jpg?w=1&sig=a1b2c3d4e5",
        "https://example.com/?sig=portfolio",
    ],
)
def test_words_that_also_begin_a_title_or_a_sentence_remove_nothing_else(value: str) -> None:
    assert without_secrets(pa.array([value])).to_pylist() == [value]


def test_social_security_is_no_credential() -> None:
    assert not is_secret_name("codigo_seguridad_social")
    assert is_secret_name("codigo_seguridad")
