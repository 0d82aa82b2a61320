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

_ALONE = "pin|nip|pass|pw|secreto|geheimnis|authorization"
_LAST = "token|secret|otp|totp|jwt"
"""Credentials as the whole name or its last word: ``token_count`` holds none."""
_WORDS = "|".join(
    [
        "pwd",
        "senha",
        "mot_de_passe",
        "clave_acceso",
        "clave_de_acceso",
        "clave_secreta",
        "clave_privada",
        "clave_web",
        "clave_internet",
        "clave_api",
        "clave_firma",
        "clave_cajero",
        "palabra_de_paso",
        "palavra_passe",
        "motdepasse",
        "codigo_seguridad",
        "codigo_de_seguridad",
        "codigo_secreto",
        "respuesta_secreta",
        "respuesta_seguridad",
        "respuesta_de_seguridad",
        "token_sesion",
        "token_de_sesion",
        "token_acceso",
        "token_de_acceso",
        "token_hash",
        "nip_cajero",
        "nip_tarjeta",
        "pin_tarjeta",
        "pin_hash",
        "user_pin",
        "user_pass",
        "pass_hash",
        "pw_hash",
        "userpwd",
        "tokens",
        "authtoken",
        "accesstoken",
        "secret_code",
        "recovery_code",
        "connection_string",
        "encryption_key",
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
    r"^(?:has|is|date|days|count|age|fecha|dias|intentos|numero|num)_"
    r"|_(?:at|by|date|on|change|changed|updated|reset|required|expires|expired|expiry|count|age|days|flag|strength|area|ok)$"
    r"|^(?:loyalty|customer|article|product)_tokens?$"
)
"""A name that begins or ends so is a statement about a credential: ``password_changed_at`` holds none.

Within a name such a word says nothing: ``password_reset_token`` is one.
"""

_SPOKEN = r"passw(?:or)?d|passwort|passphrase|contrase(?:ñ|n\x{0303}|n)a|api[_-]?key|client[_-]?secret|(?:\b|_)(?:pwd|senha)"
_FORMS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]*?-----END [A-Z ]*-----|[\s\S]*)",
    # Keys and tokens by what their issuers begin them with.
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{36,}",
    r"\bgithub_pat_[A-Za-z0-9_]{22,}",
    r"\bglpat-[A-Za-z0-9_-]{20,}",
    r"\bAIza[A-Za-z0-9_-]{35}",
    r"\bGOCSPX-[A-Za-z0-9_-]{20,}",
    r"\bya29\.[A-Za-z0-9_-]{20,}",
    # A slug such as sk-ii-facial-treatment is no key.
    r"\bsk-(?:[A-Za-z0-9]{20,}|(?:proj|svcacct|admin|ant)-[A-Za-z0-9_-]{20,})",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    r"\bhooks\.slack\.com/services/[A-Za-z0-9/]{20,}",
    r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
    r"\bwhsec_[A-Za-z0-9]{20,}",
    r"\bshp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}",
    r"\b(?:npm|hf)_[A-Za-z0-9]{30,}",
    r"\bpypi-[A-Za-z0-9_-]{50,}",
    r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    r"\bdop_v1_[a-f0-9]{64}",
    r"\bdapi[a-f0-9]{32}\b",
    r"\bhvs\.[A-Za-z0-9_-]{20,}",
    r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){4}",
    r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    # Hashes of passwords.
    r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}",
    r"\$(?:1|5|6|7|y|gy|apr1|scrypt)\$(?:[^\s$\"']+\$){1,3}[./A-Za-z0-9+=]{20,}",
    r"\$[PH]\$[./A-Za-z0-9]{31}",
    r"\$argon2(?:id|i|d)\$\S+",
    r"\bpbkdf2_sha\d+\$\d+\$\S+",
    r"\b(?:pbkdf2:sha\d+|scrypt:\d+)(?::\d+)*\$\S+",
    r"\{S?(?:SHA|MD5)\d*\}[A-Za-z0-9+/=]{20,}",
    r"\*[0-9A-F]{40}\b",
    # Connections and requests.
    r"(?i:\b[a-z][a-z0-9+.-]*://[^\s/:@?#]*:[^\s/@?#]+@)",
    r"(?i:\baccountkey=[a-z0-9+/=]{20,})",
    r"(?i:\baws_secret_access_key\s*[:=]\s*\S{20,})",
    r"(?i:\bauthorization\s*[:=]\s*(?:basic|token|bearer)\s+[a-z0-9._~+/=-]{6,})",
    r"(?i:\bbearer\s+[A-Za-z0-9._~+/-]{20,})",
    r"(?i:\b(?:access_|auth_|session_|refresh_)?token=[A-Za-z0-9._~-]{16,})",
    # What is called so in so many words.
    r"(?i:\b(?:cvv2?|cvc2?)\s*[:=]\s*\d{3,4}\b)",
    r"(?i:\b(?:pin|nip)\s+(?:de\s+(?:la\s+)?)?(?:tarjeta|card|cajero)\s*[:=]\s*\d{4,6}\b)",
    rf"(?i:(?:{_SPOKEN})s?(?:_?hash)?"
    # Between quotes, as in JSON inside JSON, the value ends with its quote or comma; what follows stays.
    r"(?:(?:\\+[\"']|')\s*[:=]\s*(?:\"(?:[^\"\\]|\\.)*\"|[^\s,{}\[\]\"'\\]{4,}|\S{4,})|\s*[:=]\s*\S{4,}))",
)
FORM = "|".join(_FORMS)
_ENDS = (
    r"passw(?:or)?d|passwort|passphrase|kennwort|passcode|contrase(?:ñ|n\x{0303}|n|\\u00f1)a|api[_-]?key|"
    r"client[_-]?secret|credentials?|clave_(?:de_)?acceso|clave_secreta|clave_privada|mot_de_passe|"
    r"(?:private|access|secret)[_-]?key|(?:secret|security)[_-]?answer|(?:access|refresh|auth|session|api|user)[_-]?token"
)
_PAIR = (
    rf"(?i)(\"(?:(?:[a-z0-9_-]*?(?:{_ENDS})s?(?:[_-]?(?:hash|salt))?)"
    # Short words also end harmless ones (spin, compass): they are whole, or the last one.
    r"|pin|nip|pass|pwd|senha|secret|token|(?:[a-z0-9]+[_-])*(?:user|card)[_-]pin|(?:[a-z0-9]+[_-])*(?:otp|cvv2?|cvc2?))\"\s*:\s*)"
    r"(?:\"(?:[^\"\\]|\\.)+\"|\d{3,}|[^\s,{}\[\]\"'\\0-9tfn][^\s,{}\[\]\"'\\]{3,})"
)
"""A key of credentials in JSON with its value, which is a text or a number: that there is one, or none, is no secret."""
_SHORTEST = 7
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
    if longest is None or longest < _SHORTEST:
        return text
    for pattern, instead in ((_PAIR, f'\\1"{REMOVED}"'), (FORM, REMOVED)):
        if pc.any(pc.match_substring_regex(text, pattern)).as_py():
            text = pc.replace_substring_regex(text, pattern, instead)
    return text
