"""Credentials are never stored: which columns hold them by name, and which values look like them.

A customer record has no use for a password, a key or a card's security code; what a source
delivers of them by mistake ends here. Nothing below ever shows a value.
"""

from __future__ import annotations

import re
from functools import lru_cache
from json import loads
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

_ALONE = "pin|nip|pass|pass_word|pw|secreto|geheimnis|authorization|bearer"
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
        "llave_secreta",
        "llave_privada",
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
        "nip_banco",
        "nip_cajero",
        "nip_tarjeta",
        "pin_tarjeta",
        "codigo_pin",
        "security_pin",
        "ciec",
        "pin_hash",
        "user_pin",
        "user_pass",
        "pass_hash",
        "hash_pass",
        "pw_hash",
        "pw_md5",
        "userpwd",
        "pswd",
        "passkey",
        "seed_phrase",
        "totp_seed",
        "ssh_key",
        "authorization_header",
        "tokens",
        "authtoken",
        "accesstoken",
        "secret_code",
        "recovery_code",
        "backup_code",
        "connection_string",
        "encryption_key",
        "hmac_key",
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
_ENDINGS = "password|passwd|passwort|kennwort|contrasena|contrasenia|contrasenya|passphrase|passcode"
"""Credentials also where they end a longer word: ``userpassword``."""
_NAME = re.compile(
    rf"^(?:{_ALONE})$|(?:^|_)(?:{_LAST})\d*$|(?:(?:^|_)(?:{_WORDS})|(?:{_ENDINGS})(?:hash|salt)?)s?\d*(?:_|$)"
)
_ABOUT = re.compile(
    r"^(?:has|is|date|days|count|age|fecha|dias|intentos|numero|num)_"
    r"|_(?:at|by|date|on|change|changed|updated|reset|required|expires|expired|expiry|count|age|days|flag|strength|area|ok)$"
    r"|^(?:loyalty|customer|article|product)_tokens?$|seguridad_social$"
)
"""A name that begins or ends so is a statement about a credential: ``password_changed_at`` holds none.

Within a name such a word says nothing: ``password_reset_token`` is one.
"""

_SPOKEN = (
    r"passw(?:or)?d|passwort|passphrase|passcode|kennwort|contrase(?:ñ|n\x{0303}|ni?)a|mot[ _-]de[ _-]passe|"
    r"api[_-]?key|client[_-]?secret|(?:\b|_)(?:pwd|pswd|senha)"
)
_IS = r"[\s\x{00a0}\x{202f}]*[:=][\s\x{00a0}\x{202f}]*"
_PART = r"[^\s\"<>{}]"


def _figured(least: int) -> str:
    """``least`` characters or more, a digit among them."""
    early = [rf"{_PART}{{{n}}}\d{_PART}{{{least - 1 - n},}}" for n in range(least - 1)]
    return "|".join([*early, rf"{_PART}{{{least - 1},}}\d{_PART}*"])


_MIXED = rf"[a-z]{_PART}{{2,}}\d{_PART}*|\d{_PART}{{2,}}[a-z]{_PART}*"
"""Four characters or more that begin with a letter and have a digit, or the other way round."""


def _other_than(word: str) -> str:
    """A pattern of three characters or more that are not ``word``: RE2 cannot look ahead."""
    begun = [
        rf"{re.escape(word[:n])}[^\s{re.escape(word[n])}]\S{{{max(0, 2 - n)},}}" for n in range(len(word))
    ]
    return "|".join([*begun, rf"{re.escape(word)}\S+"])


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
    r"\bATATT3[A-Za-z0-9_=-]{20,}",
    r"[?&]sig=[A-Za-z0-9%/+]{40,}(?:%3[Dd]|=)",
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
    rf"(?i:\b(?:access_|auth_|session_|refresh_|id_)?token{_IS}[\"']?(?:{_figured(16)}))",
    # What is called so in so many words.
    r"(?i:\b(?:cvv2?|cvc2?)\s*[:=]\s*\d{3,4}\b)",
    r"(?i:\b(?:pin|nip)\s+(?:de\s+(?:la\s+)?)?(?:tarjeta|card|cajero)\s*[:=]\s*\d{4,6}\b)",
    # In words that also begin a title or a sentence: only what mixes letters and digits.
    rf"(?i:(?:{_SPOKEN})\s+(?:is|es|é|ist|est)\s+[\"']?(?:{_MIXED}))",
    rf"(?i:\b(?:api key|client secret|(?:clave|llave) (?:de acceso|secreta|privada)){_IS}[\"']?(?:{_MIXED}))",
    # With a capital it is a friend, a gift or a brand: Amigo secreto: 24/12/2025, Victoria's Secret: Bombshell2023.
    rf"(?:(?:\b|_)(?:secret|SECRET|geheimnis){_IS}[\"']?(?:{_figured(8)}))",
    rf"(?i:(?:\b|_)secreto{_IS}[\"']?(?:{_figured(16)}))",
    rf"(?i:(?:{_SPOKEN})s?(?:_?hash)?"
    # Between quotes, as in JSON inside JSON, the value ends with its quote or comma; what follows stays.
    r"(?:(?:\\+[\"']|')\s*[:=]\s*(?:\"(?:[^\"\\]|\\.)*\"|[^\s,{}\[\]\"'\\]{4,}|\S{4,})|"
    # What was removed between quotes is not removed again.
    rf"{_IS}(?:[^\s\"']\S{{3,}}|[\"'](?:{_other_than(REMOVED.split()[0])}))))",
)
FORM = "|".join(_FORMS)
_ENDS = (
    r"passw(?:or)?d|passwort|passphrase|kennwort|passcode|contrase(?:ñ|n\x{0303}|ni?|\\u00f1)a|api[_-]?key|"
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
_SIGNS = r"[^a-z0-9\"<>]*"
"""What sets the words of a name apart; also nothing, where a capital does."""
# An accented letter may also be written as \u00f3; a name may begin and end with anything.
_STEMS = (
    f"{_WORDS}|{_ENDINGS}".replace("contrasen", r"contrase[^\"<>]*")
    .replace("codigo", "digo")
    .replace("sesion", "sesi")
)
_NAMES = rf"{_SIGNS}(?:{_ALONE}){_SIGNS}|[^\"<>]*(?:(?:{_LAST})\d*{_SIGNS}|(?:{_STEMS})[^\"<>]*)".replace(
    "_", _SIGNS
)
_MAY_NAME = rf"(?i)\"(?:{_NAMES})\"\s*:|<(?:[^<>\s]*:)?(?:{_NAMES})[\s>]|<[^<]*[\s:](?:{_NAMES})=\s*[\"']"
"""Fits every text in which JSON has a key, or XML an element or attribute, with a name of credentials; some others too."""
_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)"?(\s*:\s*)?', re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\],]|[^\s{}\[\],"]+', re.DOTALL)
_TAG = re.compile(r"<((?:[\w-]++:)?([\w.-]++))(?:\s[^<>]*+)?(?<!/)>")
_BEGINNING = re.compile(
    r"\ufeff?\s*+((?:<\?[^>]*+>\s*+|<!--(?:(?!-->).)*+-->\s*+|<!DOCTYPE[^>]*+>\s*+)*+)<((?:[\w-]++:)?[\w.-]++)(?:\s[^<>]*+)?(?<!/)>",
    re.DOTALL,
)
"""What XML begins with: the prolog, and the tag of the element that holds all others."""
_OPENING = re.compile(r"""<[\w:.-]++\s(?:[^<>"']|"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))*+(?:>|\Z)""")
_ATTRIBUTE = re.compile(r"""(\s(?:[\w-]++:)?([\w.-]++)\s*+=\s*+)(?:(")([^"]*+)("|\Z)|(')([^']*+)('|\Z))""")
_NONE = re.compile(rf'(?i)(?:null|none|true|false|"\s*+"|\[\s*+\]|\{{\s*+\}}|"?{re.escape(REMOVED)}"?)?')
"""A value that is no secret: that there is one, or none."""
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
    if pc.any(pc.match_substring_regex(text, "[{<]")).as_py():
        text = _without_named(text)
    for pattern, instead in ((_PAIR, f'\\1"{REMOVED}"'), (FORM, REMOVED)):
        if pc.any(pc.match_substring_regex(text, pattern)).as_py():
            text = pc.replace_substring_regex(text, pattern, instead)
    return text


def _without_named(text: pa.Array) -> pa.Array:
    """The texts without the values of JSON keys and of XML elements and attributes that have a name of credentials."""
    may_name = pc.fill_null(pc.match_substring_regex(text, _MAY_NAME), False)
    if not pc.any(may_name).as_py():
        return text
    cleaned = [
        _without_elements(_without_attributes(_without_keys(cell)))
        for cell in text.filter(may_name).to_pylist()
    ]
    return pc.replace_with_mask(text, may_name, pa.array(cleaned, text.type))


def _without_keys(text: str) -> str:
    """A text from whose JSON the values of such keys are taken, of any type; all else stays as it is written.

    Nothing is parsed: numbers keep their digits, nesting may be deep, and JSON that was cut off counts too.
    """
    kept: list[str] = []
    since = 0
    # Quotation marks before the JSON may be no pairs.
    place = min((text.find(bracket) for bracket in "{[" if bracket in text), default=len(text))
    while (found := _STRING.search(text, place)) is not None:
        place = found.end()
        if found[2] is None or not _is_secret_key(found[1]):
            continue
        end = _end_of_value(text, place)
        value = text[place:end].strip()
        is_count = value.isdigit() and found[1].lower().endswith("tokens")
        if not is_count and _NONE.fullmatch(value) is None:
            kept += [text[since:place], f'"{REMOVED}"']
            since = place = end
    return "".join([*kept, text[since:]])


@lru_cache(maxsize=10_000)
def _is_secret_key(written: str) -> bool:
    try:
        return is_secret_name(loads(f'"{written}"'))
    except ValueError:
        return is_secret_name(written)


def _end_of_value(text: str, start: int) -> int:
    """Where a JSON value ends; the text's end where it was cut off."""
    depth = 0
    for found in _TOKEN.finditer(text, start):
        token = found[0]
        if not depth and token in ",}]":
            return found.start()
        depth += (token in "{[") - (token in "}]")
        if not depth:
            return found.end()
    return len(text)


def _without_attributes(text: str) -> str:
    """A text with XML in which such attributes hold nothing, be it that it was cut off in one."""

    def emptied(found: re.Match[str]) -> str:
        named, name, *double = found.groups()[:5]
        opened, value, closed = double if found[3] else found.groups()[5:]
        is_secret = is_secret_name(name) and _NONE.fullmatch(value.strip()) is None
        return f"{named}{opened}{REMOVED}{closed}" if is_secret else found[0]

    return _OPENING.sub(lambda tag: _ATTRIBUTE.sub(emptied, tag[0]), text)


def _without_elements(text: str) -> str:
    """A text with XML in which such elements hold nothing.

    One that nothing closes holds all that follows in XML that was cut off, whose first element is not closed either; else it
    may be anybody's prose.
    """
    kept: list[str] = []
    since = place = 0
    unclosed: set[str] = set()
    first = _BEGINNING.match(text)
    if first is not None and f"</{first[2]}" in text:
        first = None
    while (tag := _TAG.search(text, place)) is not None:
        place = tag.end()
        if tag[1] in unclosed or not is_secret_name(tag[2]):
            continue
        end = text.find(f"</{tag[1]}", place)
        if end < 0 and first is not None and (first[1] or first.end() <= tag.start()):
            end = len(text)
        if end < 0:
            unclosed.add(tag[1])
        elif _NONE.fullmatch(text[place:end].strip()) is None:
            kept += [text[since:place], REMOVED]
            since = place = end
    return "".join([*kept, text[since:]])
