"""``silver/customer_records``: what each source currently says about each customer, in one standard shape."""

from __future__ import annotations

from pipelines.tables import BOOLEAN, DATE, INT, LONG, STRING, STRINGS, TIMESTAMP, Column, Personal, Table

_D = Personal.DIRECT
_Q = Personal.QUASI
_P = Personal.PSEUDONYM

KEY = (
    Column("source", STRING, "Source system that owns the record.", required=True),
    Column("record_id", STRING, "The record's key inside its source.", _P, required=True),
)

RAW = (
    Column("full_name_raw", STRING, "Whole name as received, where the source has one field.", _D),
    Column("given_name_raw", STRING, "Given names as received.", _D),
    Column("surname_raw", STRING, "First surname as received.", _D),
    Column("second_surname_raw", STRING, "Second surname as received.", _D),
    Column("birth_date_raw", STRING, "Birth date as received.", _Q),
    Column("tax_id_raw", STRING, "Tax id as received.", _D),
    Column("emails_raw", STRINGS, "E-mails as received, in the order of the source's columns.", _D),
    Column("phones_raw", STRINGS, "Phones as received, in the order of the source's columns.", _D),
    Column("address_raw", STRING, "Street line as received (street, number and rest joined by a space).", _D),
    Column("district_raw", STRING, "Colonia or district as received, where it has its own field.", _Q),
    Column("postal_code_raw", STRING, "Postal code as received.", _Q),
    Column("city_raw", STRING, "City or municipality as received.", _Q),
    Column("state_raw", STRING, "State or province as received.", _Q),
    Column("country_raw", STRING, "Country as received.", _Q),
    Column("party_type_raw", STRING, "Declared kind of party as received (tipo_persona F, M).", _P),
)

STANDARD = (
    Column(
        "party_type",
        STRING,
        "person, company or unknown: the declared code first, then the legal suffix.",
        required=True,
    ),
    Column("given_name", STRING, "Given names in standard spelling: one space, name case, accents kept.", _D),
    Column("surname", STRING, "First surname with its particles, in standard spelling.", _D),
    Column("second_surname", STRING, "Second surname with its particles, in standard spelling.", _D),
    Column("company_name", STRING, "Company name in standard spelling, with its legal suffix.", _D),
    Column("birth_date", DATE, "Birth date; NULL when impossible or a placeholder.", _Q),
    Column("tax_id", STRING, "Tax id in compact form, upper case; kept although invalid.", _D),
    Column("tax_id_type", STRING, "dni, nie, cif, rfc, curp, rut … by country and form.", _P),
    Column("tax_id_valid", BOOLEAN, "True when the check digit holds and it is no generic id.", _P),
    Column("emails", STRINGS, "Valid e-mails, lower case, without duplicates, in source order.", _D),
    Column(
        "phones",
        STRINGS,
        "Valid phones in E.164 (extension dropped), without duplicates, in source order.",
        _D,
    ),
    Column(
        "street_type",
        STRING,
        "Street type by code: calle, avenida, privada, boulevard and others of conf/dictionaries/street_types.csv.",
        _Q,
    ),
    Column("street_name", STRING, "Street name without type and number.", _D),
    Column("street_number", STRING, "Number on the street; SN when declared to have none.", _D),
    Column("interior", STRING, "Interior, floor, door, flat.", _D),
    Column("district", STRING, "Colonia, district or neighbourhood.", _Q),
    Column("postal_code", STRING, "Postal code with leading zeros, by country's form.", _Q),
    Column("city", STRING, "City or municipality in standard spelling.", _Q),
    Column("state", STRING, "State or province in standard spelling.", _Q),
    Column("state_code", STRING, "ISO 3166-2 code of the state or province (MX-CMX, ES-B).", _Q),
    Column("country", STRING, "ISO 3166-1 alpha-2 code.", _Q),
    Column("loyalty_id", STRING, "Loyalty card number, where the source carries one.", _P),
    Column("cookie_id", STRING, "Browser cookie of the web account.", _P),
    Column("gender", STRING, "F, M or other as declared; NULL unknown.", _Q),
    Column("occupation", STRING, "Occupation as declared.", _Q),
    Column("employer", STRING, "Employer as declared.", _Q),
    Column("education", STRING, "Level of studies as declared.", _Q),
    Column("language", STRING, "Preferred language, ISO 639-1.", _Q),
    Column("preferred_channel", STRING, "Channel the person prefers, by code.", _Q),
    Column("marketing_opt_in", BOOLEAN, "Declared consent to marketing of the web account.", _Q),
    Column("home_store", STRING, "Store where the card was issued.", _Q),
    Column("registered_at", TIMESTAMP, "When the source created the record.", _Q),
    Column("updated_at", TIMESTAMP, "When the source says that it last changed the record.", _Q),
)

MATCHING = (
    Column(
        "match_given",
        STRING,
        "Given names folded to a key (no accents, lower case, abbreviations expanded); NULL for placeholders.",
        _D,
    ),
    Column("match_given_tokens", STRINGS, "The given names' tokens, without particles, in order.", _D),
    Column(
        "match_given_formal",
        STRINGS,
        "Formal forms that the given-name tokens may stand for (paco → francisco), the tokens included, sorted.",
        _D,
    ),
    Column(
        "match_surname",
        STRING,
        "First surname folded to a key, particles removed; from the e-mail where none is stated.",
        _D,
    ),
    Column(
        "match_second_surname",
        STRING,
        "Second surname folded to a key, particles removed, an initial stays one letter; from the e-mail where none is stated.",
        _D,
    ),
    Column(
        "match_name_tokens",
        STRINGS,
        "Every token of the name folded, sorted: independent of the order of names.",
        _D,
    ),
    Column("match_given_phonetic", STRING, "Spanish phonetic key of the first given token.", _D),
    Column("match_surname_phonetic", STRING, "Spanish phonetic key of the first surname.", _D),
    Column("match_company", STRING, "Company name folded, legal suffix removed; companies only.", _D),
    Column(
        "match_birth_date",
        DATE,
        "Birth date usable as evidence; from the RFC or CURP where the source has none.",
        _Q,
    ),
    Column("match_birth_year", INT, "Year of match_birth_date.", _Q),
    Column("match_tax_id", STRING, "Valid tax id usable as evidence.", _D),
    Column(
        "match_emails",
        STRINGS,
        "E-mail keys (gmail dots and +tag removed), without placeholders, sorted.",
        _D,
    ),
    Column("match_email_local", STRING, "Local part of the first usable e-mail, letters only.", _D),
    Column(
        "match_email_births",
        STRINGS,
        "Hints at the birth date in the e-mails' digits: year (82), month and day (0928), sorted.",
        _Q,
    ),
    Column("match_phones", STRINGS, "Phones in E.164 usable as evidence, sorted.", _D),
    Column("match_postal_code", STRING, "Postal code usable as evidence.", _Q),
    Column("match_city", STRING, "City folded to a key.", _Q),
    Column("match_street", STRING, "Street name folded, without type, and number.", _D),
    Column("match_loyalty_id", STRING, "Loyalty id usable as evidence.", _P),
    Column(
        "match_excluded",
        STRINGS,
        "Why values do not count as evidence: field:reason (email:placeholder), sorted.",
        _P,
    ),
)

MATCHING_DIGEST = Column(
    "matching_digest",
    LONG,
    "64 bits of a digest of party_type and the matching columns but match_excluded: who asks whether they "
    "changed need not read them.",
    _D,
)

PROVENANCE = (
    Column("_batch_id", STRING, "Batch that brought the record's current row.", _P),
    Column("_file", STRING, "File that brought it.", _P),
    Column("_row", STRING, "Physical line or row number inside the file.", _P),
    Column("_landing_date", DATE, "Landing folder's date of that file."),
    Column("_ingested_at", TIMESTAMP, "When the night took the file in."),
    Column(
        "_standardised_by",
        STRING,
        "Digest of the program, its libraries and the feed's hints that made the standard and matching columns.",
    ),
    Column("_standardised_on", DATE, "Business date for which they were made, or found to be the same."),
)

CUSTOMER_RECORDS = Table(
    layer="silver",
    name="customer_records",
    grain="One row a live customer record of a source.",
    key=("source", "record_id"),
    columns=(*KEY, *RAW, *STANDARD, *MATCHING, MATCHING_DIGEST, *PROVENANCE),
    owner="data engineering",
    check="party_type IN ('person', 'company', 'unknown')",
)
