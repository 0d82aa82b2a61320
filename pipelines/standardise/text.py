"""Text as received → clean text, folded keys, and the tables of ``conf/dictionaries``."""

from __future__ import annotations

import csv
import gzip
import io
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from pipelines.errors import UsageError
from pipelines.packaged import default_conf

_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l", "ð": "d", "þ": "th"}
    # Most text of this house is through here without a look at Unicode's tables.
    | dict(zip("áàâäéèêëíìîïóòôöúùûüñç", "aaaaeeeeiiiioooouuuunc", strict=True))
)
REMEMBERED = 1 << 16
"""Texts whose key is remembered: the words of names and places come again and again."""
_APOSTROPHES = re.compile(r"(?<=\w)['’´`](?=\w)")
_OTHER = re.compile(r"[\W_]+")
_MOJIBAKE = re.compile("[ÃÂ][\u0080-\u00bf\u0152-\u017e\u2013-\u2122]")


def repaired(value: str) -> str:
    """UTF-8 that was read as Latin-1 or Windows-1252, read again; anything else as it is.

    >>> repaired("AdriÃ¡n"), repaired("Adrián")
    ('Adrián', 'Adrián')
    """
    if not _MOJIBAKE.search(value):
        return value
    for wrong in ("cp1252", "latin-1"):
        try:
            return value.encode(wrong).decode("utf-8")
        except UnicodeError:
            continue
    return value


def one_space(value: str) -> str:
    """Composed characters, blanks of any kind as one space, none at the ends."""
    return " ".join(unicodedata.normalize("NFC", value).split())


@lru_cache(maxsize=REMEMBERED)
def plain(value: str) -> str:
    """Lower case without accents; ``ñ`` becomes ``n``, ``ç`` becomes ``c``. Signs stay."""
    small = value.casefold().translate(_LETTERS)
    if small.isascii():
        return small
    decomposed = unicodedata.normalize("NFKD", small)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


@lru_cache(maxsize=REMEMBERED)
def fold(value: str) -> str:
    """The key of a text: lower case, no accents, only letters and digits, one space between words.

    Letters of other scripts stay as they are.

    >>> fold("  PEÑA-O'Neill,  José ")
    'pena oneill jose'
    """
    key = plain(value)
    return key if key.isalnum() else _OTHER.sub(" ", _APOSTROPHES.sub("", key)).strip()


def dictionary(name: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV file (also ``.gz``) of the configuration's dictionaries, by column.

    Raises UsageError where it is missing, or a row has more or fewer values than there are columns.
    """
    file = default_conf() / "dictionaries" / name
    if not file.is_file():
        raise UsageError(f"The dictionary {name} is missing from the configuration's dictionaries folder.")
    raw = file.read_bytes()
    content = gzip.decompress(raw) if name.endswith(".gz") else raw
    rows = csv.reader(io.StringIO(content.decode("utf-8")))
    columns = next(rows, [])
    # A process of Spark's reads 150,000 of them before it does anything else: DictReader takes three times as long.
    for row in rows:
        if len(row) == len(columns):
            yield dict(zip(columns, row, strict=True))
        elif row:
            raise UsageError(
                f"The dictionary {name}, line {rows.line_num}: it needs {len(columns)} values ({', '.join(columns)})."
            )
