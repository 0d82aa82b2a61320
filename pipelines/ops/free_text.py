"""What a free text may be: whose values stand in it, by field, and what of it cannot be used.

A text can often be read in more than one way (``po 17`` is an order, or somebody called Po). ``readings`` gives
all that make sense, the first that anybody in the register agrees with counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from pipelines.ops.register import CUSTOMER_ID, as_customer_id
from pipelines.standardise.companies import has_legal_form
from pipelines.standardise.dates import standard_birth_date
from pipelines.standardise.phones import standard_phones
from pipelines.standardise.tax_ids import GENERIC, INVALID, standard_tax_id

_DATE_FORMATS = ("dd/MM/yyyy", "dd/MM/yy")
"""Of birth dates that people write, beside ISO 8601; ``/``, ``-`` and ``.`` stand for each other."""
CODES = ("tax_id", "loyalty_id", "order")
"""What a text of letters and digits may be; one of digits alone may be a phone besides."""

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "enero ene",
            "febrero feb",
            "marzo mar",
            "abril abr",
            "mayo may",
            "junio jun",
            "julio jul",
            "agosto ago",
            "septiembre setiembre sept sep set",
            "octubre oct",
            "noviembre nov",
            "diciembre dic",
        ),
        1,
    )
    for name in names.split()
}
_IN_WORDS = re.compile(
    rf"(\d{{1,2}})(?:\s+de\s+|[\s./-]+)({'|'.join(_MONTHS)})\.?(?:\s+del?\s+|[\s,./-]+)(\d{{4}})",
    re.IGNORECASE,
)
_BORN = re.compile(
    r"(?:\b(?:nacid[oa](?:\s+el)?|(?:fecha\s+de\s+)?nacimiento|f\.?\s*nac\.?|born(?:\s+on)?|dob)\s*:?\s*)?"
    rf"(?<![\w./-])({_IN_WORDS.pattern}|\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}([-/.])\d{{1,2}}\5\d{{4}}"
    r"|\d{1,2}/\d{1,2}/\d{2}(?!\s\d))(?!\w|[-/.]\d)",
    re.IGNORECASE,
)
_EMAIL = re.compile(
    r"(?:\b(?:e-?mail|mail|correo)(?:\s+electr[oó]nico)?\s*:?\s*)?<?([^\s<>()\[\],;:\"'|]+@[^\s<>()\[\],;:\"'|]+)>?",
    re.IGNORECASE,
)
_EXTENSION = re.compile(
    r"(?<=\d)(?:[\s,]*(?:extensi[oó]n|extn?|anexo|interno)|\s+(?:int|x|#))[\s.:#]*\d{1,6}\b", re.IGNORECASE
)
_PHONE = re.compile(r"[(+]*\d[\d\s().\-/]*\d")
_LEAST_DIGITS = 7
_NUMBER_WORD = r"(?:\s+(?:n[uú]m(?:ero)?|no|n°)(?!\w))?[\s.:#]*"
_PIECE = r"[^\s,;|<>\"]*\d[^\s,;|<>\"]*"
_LABELLED = {
    "phone": re.compile(
        rf"\b(?:tel(?:[eé]fono|[eé]f|f)?s?|phone|cel(?:ular)?|m[oó]vil|mobile|whats?app){_NUMBER_WORD}({_PHONE.pattern})",
        re.IGNORECASE,
    ),
    "order": re.compile(
        rf"\b(?:pedido|orden|order|compra|folio){_NUMBER_WORD}((?:[a-z]{{1,4}}[\s-])?{_PIECE})", re.IGNORECASE
    ),
    "loyalty_id": re.compile(
        rf"\b(?:tarjeta|socio|socia|card|loyalty){_NUMBER_WORD}({_PIECE}(?:\s+{_PIECE})*)", re.IGNORECASE
    ),
}
_GAP = " | "
_AROUND = " |,;:.<>\"'!?¡¿-"
_NAME_LABEL = re.compile(r"\b(?:nombre|name|cliente|customer)\s*:", re.IGNORECASE)
_DIGIT, _LETTER = re.compile(r"\d"), re.compile(r"[^\W\d_]")
_TOKEN = re.compile(r"[^\s,;|<>\"]+")
_CODED = re.compile(rf"{_PIECE}(?:\s+(?:[-–./]\s+)?{_PIECE})*")
_MOST_TOKENS = 7
"""Parts that a tax id is written in, signs between them among them."""
_PREFIXED = re.compile(r"[^\W\d_]{1,4}(?:\W+[^\s\d]*\d\S*)+")
"""A short word, and digits behind it: a name and a number, or a code that begins with letters."""
_LONGEST_IN_NAME = 4
"""Digits that a company's name has at most: Transportes 2000."""


@dataclass(frozen=True)
class Said:
    """What somebody asks for."""

    fields: Mapping[str, str]
    """By field, as it was written; a birth date as ISO 8601 where it could be read."""
    alternatives: frozenset[str] = frozenset()
    """Fields that are readings of one text: it is one of them."""
    unused: tuple[str, ...] = field(default=(), compare=False)
    """What stands in the text besides, and is not looked for."""
    is_text: bool = field(default=False, compare=False)
    """True where a free text was taken apart: what cannot be read of it is said, and does not stop the rest."""


def iso_birth_date(text: str, today: date) -> str | None:
    """A birth date written as y-m-d, d/m/y or with a Spanish month; None where it is no possible one on ``today``."""
    words = _IN_WORDS.fullmatch(text.strip())
    if words:
        day, month, year = words.groups()
        text = f"{year}-{_MONTHS[month.lower()]:02}-{int(day):02}"
    born = standard_birth_date(text, _DATE_FORMATS, today).birth_date
    return None if born is None else born.isoformat()


def readings(text: str, sources: Collection[str], countries: Sequence[str], today: date) -> tuple[Said, ...]:
    """Every way to read ``text``, the likeliest first; none where nothing is written.

    ``sources`` and ``countries`` are those of the register's records: a record is source:record_id, and digits
    may be a phone where one of the countries has such. No birth date is later than ``today``.
    """
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    source, _, key = text.partition(":")
    if key and source in sources:
        return (Said({"record": text}, is_text=True),)
    rest = _Rest(text)
    fields, unused = _certain(rest, today)
    found = [_said(fields, codes, name, unused, countries) for codes, name in _divided(rest, countries)]
    return tuple(said for place, said in enumerate(found) if said.fields and said not in found[:place])


class _Rest:
    """What of a text was not taken yet; where something was taken, nothing goes on."""

    def __init__(self, text: str) -> None:
        self.text = text

    def take(self, pattern: re.Pattern[str], group: int = 0) -> list[str]:
        """What ``group`` of the pattern is, wherever the pattern fits."""
        found = [match[group] for match in pattern.finditer(self.text)]
        self.text = pattern.sub(_GAP, self.text)
        return found

    def take_span(self, start: int, end: int) -> str:
        found = self.text[start:end]
        self.text = self.text[:start] + _GAP + self.text[end:]
        return found

    def words(self) -> str:
        """All that is left, as one text without the gaps."""
        return " ".join(self.text.replace("|", " ").split()).strip(_AROUND)


def _certain(rest: _Rest, today: date) -> tuple[dict[str, str], list[str]]:
    """What can be nothing else, or is labelled, by field; and what is left over of it."""
    found: dict[str, list[str]] = {"customer_id": [as_customer_id(t) for t in rest.take(CUSTOMER_ID)]}
    rest.text = re.sub(r"(?<=\w)\s*@\s*(?=\w)", "@", rest.text)
    found["email"] = rest.take(_EMAIL, 1)
    found["birth_date"] = _birth_dates(rest, today)
    extensions = [text.strip(" ,") for text in rest.take(_EXTENSION)]
    for name, pattern in _LABELLED.items():
        found[name] = rest.take(pattern, 1)
    rest.take(_NAME_LABEL)
    fields = {name: texts[0].strip(_AROUND) for name, texts in found.items() if texts}
    return fields, [*extensions, *(text for texts in found.values() for text in texts[1:])]


def _birth_dates(rest: _Rest, today: date) -> list[str]:
    """Birth dates in their order; a date that nobody was born on stays where it is."""
    found: list[str] = []
    for match in reversed(list(_BORN.finditer(rest.text))):
        born = iso_birth_date(match[1], today)
        if born is not None:
            rest.take_span(*match.span())
            found.insert(0, born)
    return found


def _divided(rest: _Rest, countries: Sequence[str]) -> Iterator[tuple[list[str], str]]:
    """Each way to part what is left into codes and a name."""
    whole = rest.words()
    short = not any(len(run) > _LONGEST_IN_NAME for run in re.findall(r"\d+", whole))
    if has_legal_form(whole) and short:
        yield [], whole
    if "|" not in rest.text and _PREFIXED.fullmatch(whole):
        yield [whole], ""
    codes = [*_tax_ids(rest, countries), *(text.strip(_AROUND) for text in rest.take(_CODED))]
    yield codes, rest.words()
    if codes and short and re.search(r"[^\W\d_]{3}", whole):
        yield [], whole


def _tax_ids(rest: _Rest, countries: Sequence[str]) -> Iterator[str]:
    """Tax ids that have letters, in however many parts they are written: the longest first, those with a slip last."""
    for is_one, is_alone in ((_is_tax_id, False), (_is_tax_id_with_slip, True)):
        while span := next(_spans(rest.text, countries, is_one, is_alone=is_alone), None):
            yield rest.take_span(*span)


def _spans(
    text: str, countries: Sequence[str], is_one: Callable[[str, Sequence[str]], bool], *, is_alone: bool
) -> Iterator[tuple[int, int]]:
    """Begin and end of the tokens that together are one; ``is_alone``: no digits stand beside them."""
    tokens = list(_TOKEN.finditer(text))
    for size in range(min(_MOST_TOKENS, len(tokens)), 0, -1):
        for place in range(len(tokens) - size + 1):
            start, end = tokens[place].start(), tokens[place + size - 1].end()
            beside = [token[0] for token in (*tokens[max(place - 1, 0) : place], *tokens[place + size :][:1])]
            is_part = is_alone and any(_DIGIT.search(token) for token in beside)
            if not is_part and _GAP.strip() not in text[start:end] and is_one(text[start:end], countries):
                yield start, end


def _is_tax_id(text: str, countries: Sequence[str]) -> bool:
    """True for letters and digits that are a tax id of one of the countries, also one that many share."""
    if not (_DIGIT.search(text) and _LETTER.search(text)):
        return False
    read = [standard_tax_id(text, country) for country in countries]
    return any(tax.valid or (tax.tax_id_type and GENERIC in tax.reasons) for tax in read)


def _is_tax_id_with_slip(text: str, countries: Sequence[str]) -> bool:
    """True for what has the form of one. A word and digits are none: Ana 552371 588 has a form of an RFC too."""
    later = text.split()[1:] or [text]
    if not _DIGIT.search(text) or not any(_LETTER.search(part) for part in later):
        return False
    return any(INVALID in standard_tax_id(text, country).reasons for country in countries)


def _is_phone(text: str, countries: Sequence[str]) -> bool:
    return any(standard_phones((text,), country).usable for country in countries)


def _said(
    given: Mapping[str, str], codes: list[str], name: str, unused: list[str], countries: Sequence[str]
) -> Said:
    """What is asked for: of several codes the first phone is one, and one of the others may be whatever is left."""
    fields, left = dict(given), list(codes)
    if len(left) > 1 and "phone" not in fields:
        phone = next((text for text in left if _is_phone(text, countries)), None)
        if phone is not None:
            fields["phone"] = phone
            left.remove(phone)
    if len(left) > 1 and "tax_id" not in fields:
        tax = next((t for t in left if _is_tax_id(t, countries) or _is_tax_id_with_slip(t, countries)), None)
        if tax is not None:
            fields["tax_id"] = tax
            left.remove(tax)
    alternatives: list[str] = []
    if left:
        text = left.pop(0)
        is_number = _PHONE.fullmatch(text) and sum(c.isdigit() for c in text) >= _LEAST_DIGITS
        alternatives = [f for f in (*(("phone",) if is_number else ()), *CODES) if f not in fields]
        fields |= dict.fromkeys(alternatives, text)
    if any(c.isalnum() for c in name):
        fields["name"] = name
    several = frozenset(alternatives if len(alternatives) > 1 else ())
    return Said(fields, several, (*unused, *left), is_text=True)
