"""Tax ids as people write them: compact form, kind, validity and what they tell of their bearer."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.standardise.tax_ids import standard_tax_id

VALID = [
    # as written              country  compact               kind             names
    ("GODE561231GR8",         "MX",    "GODE561231GR8",      "rfc",           "person"),
    ("GODE 561231 GR8",       "MX",    "GODE561231GR8",      "rfc",           "person"),
    ("gode-561231-gr8",       "MX",    "GODE561231GR8",      "rfc",           "person"),
    ("RFC: GODE561231GR8",    "MX",    "GODE561231GR8",      "rfc",           "person"),
    ("R.F.C. GODE561231GR8",  "MX",    "GODE561231GR8",      "rfc",           "person"),
    ("MAB-930714-8T4",        "MX",    "MAB9307148T4",       "rfc",           "company"),
    ("BOXW310820HNERXN09",    "MX",    "BOXW310820HNERXN09", "curp",          "person"),
    ("54362315K",             "ES",    "54362315K",          "dni",           "person"),
    ("54.362.315-k",          "ES",    "54362315K",          "dni",           "person"),
    ("DNI 54362315 K",        "ES",    "54362315K",          "dni",           "person"),
    ("01234568C",             "ES",    "01234568C",          "dni",           "person"),
    ("1234568-C",             "ES",    "01234568C",          "dni",           "person"),
    ("X-2482300-W",           "ES",    "X2482300W",          "nie",           "person"),
    ("X02482300W",            "ES",    "X2482300W",          "nie",           "person"),
    ("X-5253868-R",           "ES",    "X5253868R",          "nie",           "person"),
    ("B64717838",             "ES",    "B64717838",          "cif",           "company"),
    ("A13 585 625",           "ES",    "A13585625",          "cif",           "company"),
    ("J99216582",             "ES",    "J99216582",          "cif",           "company"),
    ("ES B-58378431",         "ES",    "B58378431",          "cif",           "company"),
    ("NIF: B-58378431",       "ES",    "B58378431",          "cif",           "company"),
    ("54362315K",             "MX",    "54362315K",          "dni",           "person"),
    ("B64717838",             "MX",    "B64717838",          "cif",           "company"),
    ("GODE561231GR8",         "ES",    "GODE561231GR8",      "rfc",           "person"),
    ("GODE561231GR8",         "US",    "GODE561231GR8",      "rfc",           "person"),
    ("12.531.909-2",          "CL",    "125319092",          "rut",           None),
    ("501 964 843",           "PT",    "501964843",          "nif",           "company"),
    ("20-05536168-2",         "AR",    "20055361682",        "cuit",          "person"),
    ("390.533.447-05",        "BR",    "39053344705",        "cpf",           "person"),
    ("16.727.230/0001-97",    "BR",    "16727230000197",     "cnpj",          "company"),
    ("20512333797",           "PE",    "20512333797",        "ruc",           "company"),
    ("171430710-3",           "EC",    "1714307103",         "ci",            "person"),
    ("21-100342-001-7",       "UY",    "211003420017",       "rut",           None),
    ("V-11470283-4",          "VE",    "V114702834",         "rif",           "person"),
    ("RCCMNL83S18D969H",      "IT",    "RCCMNL83S18D969H",   "codicefiscale", "person"),
    ("IT 00743110157",        "IT",    "00743110157",        "iva",           "company"),
    ("552 100 554",           "FR",    "552100554",          "siren",         "company"),
    ("30 23 217 600 053",     "FR",    "3023217600053",      "nif",           "person"),
    ("800.197.268-4",         "CO",    "8001972684",         "nit",           "company"),
]  # fmt: skip

NO_EVIDENCE = [
    # as written              country  compact               kind     valid   why
    ("GODE561231GR7",         "MX",    "GODE561231GR7",      "rfc",   False,  "invalid"),  # the check digit is 8
    ("GODE561331GR8",         "MX",    "GODE561331GR8",      "rfc",   False,  "invalid"),  # month 13
    ("MAB9307148T5",          "MX",    "MAB9307148T5",       "rfc",   False,  "invalid"),
    ("COMG-600703",           "MX",    "COMG600703",         "rfc",   False,  "incomplete"),
    ("BOXW310820HNERXN08",    "MX",    "BOXW310820HNERXN08", "curp",  False,  "invalid"),
    ("54362315A",             "ES",    "54362315A",          "dni",   False,  "invalid"),
    ("54362315",              "ES",    "54362315",           "dni",   False,  "incomplete"),
    ("X2482300A",             "ES",    "X2482300A",          "nie",   False,  "invalid"),
    ("B64717839",             "ES",    "B64717839",          "cif",   False,  "invalid"),
    ("12.531.909-3",          "CL",    "125319093",          "rut",   False,  "invalid"),
    ("390.533.447-06",        "BR",    "39053344706",        "cpf",   False,  "invalid"),
    ("54362315A",             "MX",    "54362315A",          None,    None,   "unknown"),  # of another country, and wrong
    ("GODE561231G",           "MX",    "GODE561231G",        None,    None,   "unknown"),
    ("AB123456C",             "GB",    "AB123456C",          None,    None,   "unknown"),
    ("extranjero",            "MX",    "EXTRANJERO",         None,    None,   "unknown"),
    ("XAXX010101000",         "MX",    "XAXX010101000",      "rfc",   False,  "generic"),  # the public
    ("XEXX-010101-000",       "MX",    "XEXX010101000",      "rfc",   False,  "generic"),  # foreigners
    ("XEXX010101HNEXXXA4",    "MX",    "XEXX010101HNEXXXA4", "curp",  False,  "generic"),
    ("AAA010101AAA",          "MX",    "AAA010101AAA",       "rfc",   False,  "generic"),
    ("XAXX010101000",         "ES",    "XAXX010101000",      None,    False,  "generic"),
    ("00000000T",             "ES",    "00000000T",          "dni",   False,  "generic"),
    ("00000000",              "ES",    "00000000",           "dni",   False,  "generic"),
    ("12345678Z",             "ES",    "12345678Z",          "dni",   False,  "generic"),
    ("99999999R",             "ES",    "99999999R",          "dni",   False,  "generic"),
    ("X0000000T",             "ES",    "X0000000T",          "nie",   False,  "generic"),
    ("B12345674",             "ES",    "B12345674",          "cif",   False,  "generic"),
    ("11.111.111-1",          "CL",    "111111111",          "rut",   False,  "generic"),
    ("999999990",             "PT",    "999999990",          "nif",   False,  "generic"),  # the public
    ("111.111.111-11",        "BR",    "11111111111",        "cpf",   False,  "generic"),
    ("9999999999",            "",      "9999999999",         None,    False,  "generic"),
]  # fmt: skip

BIRTH_DATES = [
    # tax id                  country  born                    because
    ("GODE561231GR8",         "MX",    date(1956, 12, 31)),
    ("GODE561231GR7",         "MX",    date(1956, 12, 31)),  # RFCs with a wrong check digit are in use
    ("COMG600703",            "MX",    date(1960, 7, 3)),  # without its homoclave
    ("COMG200703",            "MX",    date(1920, 7, 3)),  # a year from 20 on is of the last century
    ("COMG190703",            "MX",    date(2019, 7, 3)),
    ("COMG000229",            "MX",    date(2000, 2, 29)),
    ("GODE561331GR8",         "MX",    None),  # no such day
    ("MAB9307148T4",          "MX",    None),  # a company's founding
    ("XAXX010101000",         "MX",    None),
    ("BOXW310820HNERXN09",    "MX",    date(1931, 8, 20)),  # a digit in the 17th place: born before 2000
    ("BOXW050820HNERXNA9",    "MX",    date(2005, 8, 20)),  # a letter: born since
    ("BOXW310820HNERXN08",    "MX",    None),  # wrong check digit
    ("54362315K",             "ES",    None),
]  # fmt: skip


@pytest.mark.parametrize(("written", "country", "compact", "kind", "party"), VALID)
def test_a_valid_id_is_evidence_and_says_whom_it_names(
    written: str, country: str, compact: str, kind: str, party: str | None
) -> None:
    made = standard_tax_id(written, country)
    assert (made.tax_id, made.tax_id_type, made.party_type) == (compact, kind, party)
    assert (made.valid, made.usable, made.reasons) == (True, compact, ())


@pytest.mark.parametrize(("written", "country", "compact", "kind", "valid", "why"), NO_EVIDENCE)
def test_an_id_that_is_no_evidence_is_kept_with_its_reason(
    written: str, country: str, compact: str, kind: str | None, valid: bool | None, why: str
) -> None:
    made = standard_tax_id(written, country)
    assert (made.tax_id, made.tax_id_type, made.valid) == (compact, kind, valid)
    assert (made.usable, made.party_type, made.reasons) == (None, None, (f"tax_id:{why}",))


@pytest.mark.parametrize(("written", "country", "born"), BIRTH_DATES)
def test_the_ids_of_mexican_persons_tell_a_birth_date(written: str, country: str, born: date | None) -> None:
    assert standard_tax_id(written, country).birth_date == born


@pytest.mark.parametrize("written", [None, "", "  ", "N/A", "S/N", "-", "0", "pendiente", "sin RFC"])
def test_blanks_say_nothing(written: str | None) -> None:
    assert standard_tax_id(written, "MX") == (None, None, None, None, None, None, ())


@pytest.mark.parametrize("number", ["54362315", "01234568", "70755244", "39016197"])
def test_only_one_letter_fits_a_dni(number: str) -> None:
    letters = "TRWAGMYFPDXBNJZSQVHLCKE"
    valid = [letter for letter in letters if standard_tax_id(number + letter, "ES").valid]
    assert valid == [letters[int(number) % 23]]


IDS = st.one_of(
    st.text(alphabet="ABEGNXZÑ&0123456789-. ", max_size=18),
    st.from_regex(r"[A-Z]{3,4}[0-9]{6}[0-9A-Z]{3}", fullmatch=True),
    st.from_regex(r"(ES|NIF|RFC )?[A-Z0-9][0-9]{7}[A-Z0-9]", fullmatch=True),
    st.text(max_size=25),
)
COUNTRIES = st.sampled_from(
    ["MX", "ES", "CL", "BR", "CO", "PT", "IT", "FR", "AR", "PE", "EC", "UY", "VE", "GB", ""]
)


@settings(max_examples=400, deadline=None)
@given(IDS, COUNTRIES)
def test_any_text_gives_an_id_that_stays_as_it_is(raw: str, country: str) -> None:
    made = standard_tax_id(raw, country)
    assert standard_tax_id(made.tax_id, country) == made
    assert (made.usable is not None) == (made.valid is True)
    assert made.usable in (None, made.tax_id)
    assert (made.reasons == ()) == (made.tax_id is None or made.valid is True)
