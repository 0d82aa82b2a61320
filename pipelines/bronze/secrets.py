"""Credentials are never stored: which columns hold them by name, and which values look like them.

A customer record has no use for a password, a key or a card's security code; what a source
delivers of them by mistake ends here. Nothing below ever shows a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.bronze.tables import stored_name
from pipelines.standardise.text import plain

if TYPE_CHECKING:
    from pipelines.sources import Source

REMOVED = "[secret removed]"
"""What stands in place of a value that looks like a credential."""
WITHHELD = "[row withheld: its file has a column of credentials]"
"""What stands in place of a malformed row: nobody knows which part of it is the credential."""

_ALONE = frozenset(("token", "pin", "secret", "secreto", "geheimnis"))
_WORDS = [
    "password",
    "passwd",
    "passwort",
    "kennwort",
    "contrasena",
    "contrasenya",
    "senha",
    "pwd",
    "passphrase",
    "passcode",
    "mot_de_passe",
    "clave_acceso",
    "clave_de_acceso",
    "clave_secreta",
    "palabra_de_paso",
    "secret_key",
    "client_secret",
    "api_key",
    "apikey",
    "api_secret",
    "access_token",
    "refresh_token",
    "auth_token",
    "session_token",
    "bearer_token",
    "id_token",
    "private_key",
    "access_key",
    "credential",
    "credentials",
    "credenciales",
    "cvv",
    "cvv2",
    "cvc",
    "cvc2",
    "card_pin",
    "pin_code",
    "security_code",
]
_ABOUT = frozenset(
    [
        "at",
        "date",
        "on",
        "changed",
        "updated",
        "reset",
        "expires",
        "expired",
        "expiry",
        "has",
        "is",
        "count",
        "age",
        "days",
        "flag",
    ]
)
"""Words that make it a statement about a credential: ``password_changed_at`` holds none."""

_FORMS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{36,}",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
    r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+",
    r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}",
    r"\$argon2(?:id|i|d)\$\S+",
    r"\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@",
    r"(?i:\bbearer\s+[A-Za-z0-9._~+/-]{20,})",
    r"(?i:\b(?:password|passwd|pwd|passwort|contraseña|contrasena|senha|api[_-]?key|client[_-]?secret)"
    # Between quotes, as in JSON, the value ends with its quote or comma; what follows stays.
    r"(?:\\*[\"']\s*[:=]\s*(?:\"(?:[^\"\\]|\\.)*\"|[^\s,{}\[\]\"'\\]{4,}|\S{4,})|\s*[:=]\s*\S{4,}))",
)
FORM = "|".join(_FORMS)
_SHORTEST = 8
"""Characters of the shortest text that any form fits."""


def is_secret_name(name: str) -> bool:
    """True where a column's name says that it holds a credential.

    >>> [is_secret_name(n) for n in ("Password", "user_pwd", "Contraseña", "password_changed_at", "clave", "spin")]
    [True, True, True, False, False, False]
    """
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    folded = re.sub(r"[^a-z0-9]+", "_", plain(split)).strip("_")
    if folded in _ALONE:
        return True
    if _ABOUT.intersection(folded.split("_")):
        return False
    return any(f"_{word}_" in f"_{folded}_" for word in _WORDS)


def secret_columns(names: list[str], source: Source, feed: str) -> tuple[str, ...]:
    """Of a file's columns those that hold credentials: as conf says, else by name."""
    said = {stored_name(n).casefold(): c.credential for n, c in source.feeds[feed].columns.items()}
    return tuple(
        name
        for name in names
        if (is_secret_name(name) if said.get(name.casefold()) is None else said[name.casefold()])
    )


def without_secrets(text: pa.Array) -> pa.Array:
    """The texts with ``REMOVED`` in place of every part that looks like a credential."""
    longest = pc.max(pc.utf8_length(text)).as_py()
    if longest is None or longest < _SHORTEST or not pc.any(pc.match_substring_regex(text, FORM)).as_py():
        return text
    return pc.replace_substring_regex(text, FORM, REMOVED)
