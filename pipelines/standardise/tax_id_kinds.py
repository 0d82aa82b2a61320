"""The tax ids of each country: their form, their check digit (through ``stdnum``) and whom they name.

Only ids with a check digit are here: a national identity number without one (the Argentine DNI, the
Colombian cédula) would pass any typing error as another person.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from stdnum.ar import cuit
from stdnum.br import cnpj, cpf
from stdnum.cl import rut as cl_rut
from stdnum.co import nit
from stdnum.ec import ci
from stdnum.es import cif, dni, nie, nif
from stdnum.fr import nif as fr_nif
from stdnum.fr import siren
from stdnum.it import codicefiscale, iva
from stdnum.mx import curp, rfc
from stdnum.pe import ruc
from stdnum.pt import nif as pt_nif
from stdnum.uy import rut as uy_rut
from stdnum.ve import rif

Party = Literal["person", "company"]


class Kind(NamedTuple):
    """One kind of tax id. ``check`` is None for a form that lacks its check digit."""

    type: str
    form: re.Pattern[str]
    check: Callable[[str], bool] | None
    party: Party | None = None


def _kind(name: str, form: str, check: Callable[[str], bool] | None, party: Party | None = None) -> Kind:
    return Kind(name, re.compile(form, re.ASCII), check, party)


def _rfc_holds(number: str) -> bool:
    """The check digit holds, and the date and the initials are possible.

    ``stdnum`` also refuses homoclaves that begin with W … Z; the check digit alone tells a slip.
    """
    return bool(rfc.is_valid(number) and number[-1] == rfc.calc_check_digit(number[:-1]))


RFC_PERSON = _kind("rfc", r"[A-ZÑ&]{4}\d{6}[A-Z0-9]{3}", _rfc_holds, "person")
RFC_SHORT = _kind("rfc", r"[A-ZÑ&]{4}\d{6}", None, "person")
CURP = _kind("curp", r"[A-Z]{4}\d{6}[A-Z]{6}[A-Z0-9]\d", curp.is_valid, "person")

# By country; where forms overlap, the first that fits counts.
KINDS: dict[str, tuple[Kind, ...]] = {
    "MX": (
        RFC_PERSON,
        _kind("rfc", r"[A-ZÑ&]{3}\d{6}[A-Z0-9]{3}", _rfc_holds, "company"),
        CURP,
        RFC_SHORT,
    ),
    "ES": (
        _kind("dni", r"\d{8}[A-Z]", dni.is_valid, "person"),
        _kind("nie", r"[XYZ]\d{7}[A-Z]", nie.is_valid, "person"),
        # Minors, Spaniards abroad and foreigners who have neither DNI nor NIE.
        _kind("nif", r"[KLM]\d{7}[A-Z]", nif.is_valid, "person"),
        _kind("cif", r"[A-HJNP-SUVW]\d{7}[0-9A-J]", cif.is_valid, "company"),
        _kind("dni", r"\d{8}", None, "person"),
    ),
    "AR": (
        _kind("cuit", r"2[0347]\d{9}", cuit.is_valid, "person"),
        _kind("cuit", r"3[034]\d{9}", cuit.is_valid, "company"),
    ),
    "BR": (
        _kind("cpf", r"\d{11}", cpf.is_valid, "person"),
        _kind("cnpj", r"[A-Z0-9]{12}\d{2}", cnpj.is_valid, "company"),
    ),
    "CL": (_kind("rut", r"\d{7,8}[0-9K]", cl_rut.is_valid),),
    # Of companies; a person's is the cédula, whose check digit is rarely written.
    "CO": (_kind("nit", r"[89]\d{9}", nit.is_valid, "company"),),
    "EC": (_kind("ci", r"\d{10}", ci.is_valid, "person"),),
    "FR": (
        _kind("nif", r"[0-3]\d{12}", fr_nif.is_valid, "person"),
        _kind("siren", r"\d{9}", siren.is_valid, "company"),
    ),
    "IT": (
        _kind("codicefiscale", r"[A-Z]{6}[A-Z0-9]{10}", codicefiscale.is_valid, "person"),
        _kind("iva", r"\d{11}", iva.is_valid, "company"),
    ),
    "PE": (
        _kind("ruc", r"1[057]\d{9}", ruc.is_valid, "person"),
        _kind("ruc", r"20\d{9}", ruc.is_valid, "company"),
    ),
    "PT": (
        _kind("nif", r"[123]\d{8}", pt_nif.is_valid, "person"),
        _kind("nif", r"5\d{8}", pt_nif.is_valid, "company"),
        _kind("nif", r"[46-9]\d{8}", pt_nif.is_valid),
    ),
    "UY": (_kind("rut", r"\d{12}", uy_rut.is_valid),),
    "VE": (
        _kind("rif", r"[VE]\d{9}", rif.is_valid, "person"),
        _kind("rif", r"[JG]\d{9}", rif.is_valid, "company"),
    ),
}
