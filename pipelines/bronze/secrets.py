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

_ALONE = "pin|secreto|geheimnis"
_LAST = "token|secret|otp"
"""Credentials as the whole name or its last word: ``token_count`` holds none."""
_WORDS = "|".join(
    [
        "pwd",
        "senha",
        "mot_de_passe",
        "clave_acceso",
        "clave_de_acceso",
        "clave_secreta",
        "palabra_de_paso",
        "secret_key",
        "secret_answer",
        "security_answer",
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
        "credenciales",
        "cvv",
        "cvc",
        "card_pin",
        "pin_code",
        "otp_code",
        "security_code",
    ]
)
_ENDINGS = "password|passwd|passwort|kennwort|contrasena|contrasenya|passphrase|passcode"
"""Credentials also where they end a longer word: ``userpassword``."""
_NAME = re.compile(
    rf"^(?:{_ALONE})$|(?:^|_)(?:{_LAST})\d*$|(?:(?:^|_)(?:{_WORDS})|(?:{_ENDINGS})(?:hash|salt)?)s?\d*(?:_|$)"
)
_ABOUT = re.compile(
    r"^(?:has|is|date|days|count|age)_"
    r"|_(?:at|by|date|on|changed|updated|reset|required|expires|expired|expiry|count|age|days|flag)$"
)
"""A name that begins or ends so is a statement about a credential: ``password_changed_at`` holds none.

Within a name such a word says nothing: ``password_reset_token`` is one.
"""

_FORMS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{36,}",
    r"\bgithub_pat_[A-Za-z0-9_]{22,}",
    r"\bAIza[A-Za-z0-9_-]{35}",
    # A slug such as sk-ii-facial-treatment is no key.
    r"\bsk-(?:[A-Za-z0-9]{20,}|(?:proj|svcacct|admin|ant)-[A-Za-z0-9_-]{20,})",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
    r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+",
    r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}",
    r"\$argon2(?:id|i|d)\$\S+",
    r"\bpbkdf2_sha\d+\$\d+\$\S+",
    r"\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@",
    r"(?i:\bbearer\s+[A-Za-z0-9._~+/-]{20,})",
    r"(?i:(?:password|passwd|passwort|contraseña|contrasena|api[_-]?key|client[_-]?secret|(?:\b|_)(?:pwd|senha))"
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
    return _NAME.search(folded) is not None and _ABOUT.search(folded) is None


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
