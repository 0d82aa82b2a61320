"""E-mails as people write them, the addresses that they are, and the keys that they are matched by."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.standardise.emails import standard_emails

VALID = [
    # as written                          published                         key
    ("ana.ruiz@correos.es",               "ana.ruiz@correos.es",            "ana.ruiz@correos.es"),
    ("  ANA.RUIZ@Correos.ES ",            "ana.ruiz@correos.es",            "ana.ruiz@correos.es"),
    ("<ana@b.com>",                       "ana@b.com",                      "ana@b.com"),
    ("Ana Ruiz <ana@b.com>",              "ana@b.com",                      "ana@b.com"),
    ("mailto:ana@b.com",                  "ana@b.com",                      "ana@b.com"),
    ("E-mail: ana@b.com",                 "ana@b.com",                      "ana@b.com"),
    ("ana@b.com.",                        "ana@b.com",                      "ana@b.com"),
    ("(ana@b.com),",                      "ana@b.com",                      "ana@b.com"),
    ("'ana@b.com'",                       "ana@b.com",                      "ana@b.com"),
    ("a_ruiz-80@sub.tienda.com.mx",       "a_ruiz-80@sub.tienda.com.mx",    "a_ruiz-80@sub.tienda.com.mx"),
    ("Info@Peña.es",                      "info@peña.es",                   "info@peña.es"),
    ("garcia@garcia.es",                  "garcia@garcia.es",               "garcia@garcia.es"),
    ("ventas@ferreteria.com.mx",          "ventas@ferreteria.com.mx",       "ventas@ferreteria.com.mx"),
    ("ana@correo.com",                    "ana@correo.com",                 "ana@correo.com"),
    ("Ana.Ruiz@gmail.com",                "ana.ruiz@gmail.com",             "anaruiz@gmail.com"),
    ("ana.ruiz+tienda@gmail.com",         "ana.ruiz+tienda@gmail.com",      "anaruiz@gmail.com"),
    ("a.naruiz@googlemail.com",           "a.naruiz@googlemail.com",        "anaruiz@gmail.com"),
    ("ana.ruiz+2@outlook.es",             "ana.ruiz+2@outlook.es",          "ana.ruiz@outlook.es"),
    ("ana+2@live.com.mx",                 "ana+2@live.com.mx",              "ana@live.com.mx"),
    ("ana+2@icloud.com",                  "ana+2@icloud.com",               "ana@icloud.com"),
    ("ana+2@proton.me",                   "ana+2@proton.me",                "ana@proton.me"),
    ("ana+2@tienda.com",                  "ana+2@tienda.com",               "ana+2@tienda.com"),
]  # fmt: skip

INVALID = [
    "ana",
    "ana@",
    "@gmail.com",
    "ana@localhost",
    "ana@tienda",
    "ana@tienda.c",
    "ana@tienda..com",
    "ana@-tienda.com",
    "ana@tienda-.com",
    "ana.@gmail.com",
    "ana..ruiz@gmail.com",
    "ana ruiz@gmail.com",
    "ana,ruiz@gmail.com",
    "ana@gmail .com",
    "ana@b@c.com",
    "ana@192.168.1.1",
    f"{'a' * 65}@b.com",
]

PLACEHOLDERS = [
    "x@x.com",
    "a@a.com",
    "na@na.com",
    "no@no.com",
    "test@gmail.com",
    "Test1@tienda.mx",
    "prueba@prueba.com",
    "noemail@noemail.com",
    "sinemail@hotmail.com",
    "sin.correo@hotmail.com",
    "sincorreo@sincorreo.com",
    "no_tiene@gmail.com",
    "correo@correo.com",
    "cliente@mostrador.com",
    "cliente12@gmail.com",
    "ana@example.com",
    "ana@test.com",
    "aaa@gmail.com",
    "111111@hotmail.com",
    "12345@gmail.com",
]

MISSPELT = [
    # as written               key
    ("estela554@gmail.con",    "estela554@gmail.com"),
    ("estela.m@gmial.com",     "estelam@gmail.com"),
    ("estela@hotmial.com",     "estela@hotmail.com"),
    ("estela@hotmal.con",      "estela@hotmail.com"),
    ("estela@yaho.com.mx",     "estela@yahoo.com.mx"),
    ("estela@ferreteria.con",  "estela@ferreteria.com"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "published", "key"), VALID)
def test_an_address_is_published_as_written_and_matched_by_its_mailbox(
    written: str, published: str, key: str
) -> None:
    made = standard_emails((written,))
    assert (made.emails, made.keys, made.reasons) == ((published,), (key,), ())


@pytest.mark.parametrize("written", INVALID)
def test_what_is_no_address_is_left_out_with_a_reason(written: str) -> None:
    assert standard_emails((written,)) == ((), (), None, ("email:invalid",))


@pytest.mark.parametrize("written", PLACEHOLDERS)
def test_addresses_typed_to_get_past_a_form_are_no_evidence(written: str) -> None:
    assert standard_emails((written,)) == ((written.lower(),), (), None, ("email:placeholder",))


@pytest.mark.parametrize(("written", "key"), MISSPELT)
def test_a_slip_in_a_providers_name_is_matched_by_what_was_meant_and_not_published(
    written: str, key: str
) -> None:
    made = standard_emails((written,))
    assert (made.emails, made.keys, made.reasons) == ((), (key,), ("email:misspelt",))


@pytest.mark.parametrize("written", [None, "", " ", "N/A", "-", "ninguno", "sin correo", "xxx"])
def test_blanks_are_dropped_without_a_reason(written: str | None) -> None:
    assert standard_emails((written,)) == ((), (), None, ())


@pytest.mark.parametrize(
    "written", ["ana@b.es; luis@c.es", "ana@b.es / luis@c.es", "ana@b.es luis@c.es", "ana@b.es,luis@c.es"]
)
def test_a_field_may_hold_several_addresses(written: str) -> None:
    assert standard_emails((written,)).emails == ("ana@b.es", "luis@c.es")


@pytest.mark.parametrize(
    ("written", "local"),
    [
        ("José.Peña82@empresa.es", "josepena"),
        ("ana_ruiz-80@b.com", "anaruiz"),
        ("ana.ruiz+ofertas@gmail.com", "anaruiz"),
        ("804512@b.com", None),
    ],
)
def test_the_local_part_is_the_keys_letters(written: str, local: str | None) -> None:
    assert standard_emails((written,)).local == local


def test_addresses_keep_the_sources_order_once_each_and_keys_are_sorted() -> None:
    fields = ("zoe@b.com", "x@x.com", None, "Ana.R@gmail.com", "ZOE@B.com", "anar@gmail.com", "zoe@")
    assert standard_emails(fields) == (
        ("zoe@b.com", "x@x.com", "ana.r@gmail.com", "anar@gmail.com"),
        ("anar@gmail.com", "zoe@b.com"),
        "anar",
        ("email:invalid", "email:placeholder"),
    )


ADDRESSES = st.builds(
    "{}@{}{}".format,
    st.text(alphabet="aábÑ.+_ 1<", min_size=1, max_size=8),
    st.sampled_from(["gmail", "Gmial", "hotmail", "x", "tienda", "peña"]),
    st.sampled_from([".com", ".con", ".ES", ".com.mx", ""]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.none(), ADDRESSES, st.text(max_size=30)), max_size=3))
def test_any_text_gives_addresses_and_keys_that_stay_as_they_are(raw: list[str | None]) -> None:
    made = standard_emails(tuple(raw))
    assert standard_emails(made.emails).emails == made.emails
    assert standard_emails(made.keys)[1:3] == (made.keys, made.local)
    assert list(made.keys) == sorted(set(made.keys))
    assert all(value == value.lower() and value.count("@") == 1 for value in made.emails + made.keys)
