"""What the columns of any file are: recognised by their names, and by their content where names say nothing.

A column fills a field of ``silver/customer_records`` as received; standardisation does the rest.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

FIELDS: dict[str, tuple[str, ...]] = {
    "full_name_raw": (
        *("full_name", "name", "display_name", "customer_name", "contact_name", "person_name"),
        *("nombre_completo", "nombre_y_apellidos", "razon_social", "cliente", "titular"),
    ),
    "given_name_raw": (
        *("given_name", "first_name", "forename", "fname", "first_names", "given_names"),
        *("nombre", "nombres", "nombre_de_pila", "nombre_pila"),
    ),
    "surname_raw": (
        *("surname", "last_name", "family_name", "lname", "apellido", "apellidos", "primer_apellido"),
        *("apellido_paterno", "ap_paterno", "paterno"),
    ),
    "second_surname_raw": (
        *("second_surname", "second_last_name", "segundo_apellido", "apellido_materno", "ap_materno"),
        "materno",
    ),
    "birth_date_raw": (
        *("birth_date", "date_of_birth", "dob", "birthdate", "birthday", "born"),
        *("fecha_nacimiento", "fecha_de_nacimiento", "fec_nac", "fecha_nac", "f_nacimiento", "nacimiento"),
    ),
    "tax_id_raw": (
        *("tax_id", "vat", "vat_number", "nif", "dni", "nie", "cif", "rfc", "curp", "rut", "cedula"),
        "documento",
    ),
    "emails_raw": ("email", "e_mail", "mail", "email_address", "correo", "correo_electronico"),
    "phones_raw": (
        *("phone", "phone_number", "telephone", "tel", "mobile", "cell", "cellphone"),
        *("telefono", "telefono_movil", "movil", "celular", "fijo"),
    ),
    "address_raw": (
        *("address", "street", "street_address", "street_name", "street_number", "house_number"),
        *("direccion", "domicilio", "calle", "num_ext", "numero_exterior", "num_int", "numero_interior"),
    ),
    "district_raw": ("district", "neighbourhood", "neighborhood", "colonia", "barrio", "asentamiento"),
    "postal_code_raw": ("postal_code", "postcode", "zip", "zip_code", "cp", "codigo_postal", "cod_postal"),
    "city_raw": (
        *("city", "town", "suburb", "locality", "place", "ciudad", "municipio", "localidad", "poblacion"),
        "lugar",
    ),
    "state_raw": ("state", "province", "county", "region", "estado", "provincia"),
    "country_raw": ("country", "country_code", "pais"),
    "party_type_raw": ("party_type", "tipo_persona", "entity_type"),
    "loyalty_id": (
        *("loyalty_id", "card_no", "card_number", "member_no", "membership_number", "tarjeta", "num_tarjeta"),
        *("ssn", "soc_sec_id", "social_security_number", "nss", "passport", "pasaporte"),
    ),
}
"""Field → names of columns that fill it, folded. Those of a person's number that no check digit
proves (a card, a social security number) fill ``loyalty_id``: an exact key that may be misspelt."""

KNOWN = {alias: field for field, aliases in FIELDS.items() for alias in aliases}
"""Folded name → the field that it fills."""

LISTS = ("emails_raw", "phones_raw")
JOINED = ("address_raw",)
"""Several columns fill one value, joined by a blank in the order of the file."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_DATE = re.compile(
    r"(1[89]|20)\d\d[-/.]?(0[1-9]|1[0-2])[-/.]?([0-2]\d|3[01])|[0-3]?\d[-/.][01]?\d[-/.](1[89]|20)\d\d"
)
_PHONE = re.compile(r"\+?[\d ().-]{9,20}")
_SHARE = 0.8
"""Values of a column that must look alike before its content says what it is."""


def folded(name: str) -> str:
    """A column's name in words of lower case, joined by ``_``.

    >>> folded("Fecha Nacimiento"), folded("firstName"), folded("E-Mail 2")
    ('fecha_nacimiento', 'first_name', 'e_mail_2')
    """
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    plain = unicodedata.normalize("NFKD", split).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def _by_name(name: str) -> tuple[str, bool] | None:
    """The field that a column's name means, and whether the whole name says so or words in it."""
    words = re.sub(r"_?\d+$", "", folded(name))
    if words in KNOWN:
        return KNOWN[words], True
    inside = [alias for alias in KNOWN if f"_{alias}_" in f"_{words}_"]
    return (KNOWN[max(inside, key=len)], False) if inside else None


def _by_content(values: Sequence[str]) -> str | None:
    """The field that a column's values look like; only forms that nothing else has."""
    if not values:
        return None
    for field, form in (("emails_raw", _EMAIL), ("birth_date_raw", _DATE), ("phones_raw", _PHONE)):
        if sum(form.fullmatch(value.strip()) is not None for value in values) >= _SHARE * len(values):
            return field
    return None


def recognised(columns: Iterable[str], sample: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Field → the columns that fill it, in the file's order.

    ``sample``: some values of each column, blanks left out. A name that means a field goes before
    content, and of several columns of one value the first counts. Columns that nobody knows are left out.

    >>> recognised(["id", "first_name", "surname", "contact"], {"contact": ["ana@x.es", "leo@x.es"]})
    {'given_name_raw': ('first_name',), 'surname_raw': ('surname',), 'emails_raw': ('contact',)}
    """
    found: dict[str, list[str]] = {}
    meant = {name: _by_name(name) for name in columns}
    for is_whole in (True, False):
        for name, meaning in meant.items():
            if meaning is None or meaning[1] != is_whole:
                continue
            # A name that only holds a known word ("first_and_surname") does not go beside one that is it.
            if is_whole or meaning[0] in LISTS or meaning[0] not in found:
                found.setdefault(meaning[0], []).append(name)
    for name in (name for name, meaning in meant.items() if meaning is None):
        field = _by_content(sample.get(name, ()))
        if field is not None and (field in LISTS or field not in found):
            found.setdefault(field, []).append(name)
    if "full_name_raw" in found and {"given_name_raw", "surname_raw"} <= set(found):
        del found["full_name_raw"]
    if "given_name_raw" in found and not {"surname_raw", "full_name_raw"} & set(found):
        # The only name there is: "nombre" means all of it.
        found["full_name_raw"] = found.pop("given_name_raw")
    single = {
        field: names if field in LISTS or field in JOINED else names[:1] for field, names in found.items()
    }
    return {field: tuple(names) for field, names in single.items()}
