"""E-mails as people write them → valid addresses, and the keys that records are matched by.

What is published is what was written, in small letters. A key goes further: it is the mailbox, which
Gmail reaches with any dots and several providers with any ``+tag``; and where a big provider's name
has a slip (``gmial.com``, ``hotmail.con``) it is the address that was meant, which the written one is not:
that one is never published.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from pipelines.standardise.placeholders import blank_to_none, folded, is_filler
from pipelines.standardise.text import plain

PLACEHOLDER = "email:placeholder"
INVALID = "email:invalid"
MISSPELT = "email:misspelt"

_LOCAL_LENGTH, _LENGTH = 64, 254  # RFC 5321, 4.5.3.1
_TWIN_LENGTH, _REPEATED_LENGTH, _COUNT_LENGTH = 3, 3, 5  # x@x.com, aaa@…, 12345@…

_WRAPPED = re.compile(r"<([^<>]*@[^<>]*)>")
_SCHEME = re.compile(r"^(?:mailto|e-?mail|correo)\s*:\s*")
_AROUND = "\"'`´‘’“”<>()[]{},;:.¡!¿?"
_BEFORE = _AROUND.replace(".", "")
_SEPARATOR = re.compile(r"[\s;,|/]+")
_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_LABEL = r"(?!-)(?:[^\W_]|-)+(?<!-)"
_ADDRESS = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@((?:{_LABEL}\.)+(?:[^\W\d_]{{2,}}|xn--[a-z0-9-]+))")

_GMAIL = {"gmail.com", "googlemail.com"}
_TAGGED = re.compile(
    r"(?:gmail|googlemail|icloud|me|mac|fastmail|proton|protonmail)\.com|fastmail\.fm|proton\.me|pm\.me"
    r"|protonmail\.ch|(?:outlook|hotmail|live|msn)\.[a-z]{2,3}(?:\.[a-z]{2})?"
)
_PROVIDERS = {
    "gmail": "gmial gmai gamil gmal gmali gnail gmaill",
    "hotmail": "hotmial hotmal hotmai hotmil hormail homail hotamil hotmaill hotmeil",
    "outlook": "outlok outloo outlock outllok otlook oulook outook outlool",
    "yahoo": "yaho yahooo yhoo yahho yaoo",
    "icloud": "iclou iclod icloud icluod",
}
_MEANT = {slip: name for name, slips in _PROVIDERS.items() for slip in slips.split()}
_COM_SLIP = re.compile(r"\.(?:con|cmo|ocm|comm|coom|cim|vom|xom|coml)$")

_NOBODY = """
test tests testing prueba pruebas ejemplo example asdf asdfg asdfgh qwerty
noemail nomail nocorreo notengo notiene notengocorreo notengoemail notienecorreo notieneemail notienemail nohay
noaplica nodisponible noproporciona noproporcionado noreply noexiste ninguno ninguna
sinemail sinmail sincorreo sindato sindatos sinnombre sinregistro
cliente clientes clientegeneral clientegenerico clientemostrador mostrador publicogeneral publicoengeneral
generico generica anonimo anonima desconocido desconocida usuario username nombre
none null unknown anonymous nobody noone dummy fake falso
"""
_NOBODY_WORDS = frozenset(_NOBODY.split())
_NOBODY_SITES = frozenset(
    [
        "test",
        "prueba",
        "pruebas",
        "ejemplo",
        "dominio",
        "noemail",
        "nomail",
        "nocorreo",
        "notiene",
        "sinemail",
        "sincorreo",
    ]
)
_TWINS = frozenset(["correo", "email", "mail"])
_RESERVED = re.compile(r"(?:^|\.)(?:example|test|invalid|localhost|local)$|(?:^|\.)example\.[a-z]+$")


class Emails(NamedTuple):
    """A record's e-mails.

    ``emails``: valid, small letters, distinct, in source order. ``keys``: matching keys, without
    placeholders, sorted. ``local``: letters of the first key's local part. ``reasons``: why others
    do not count as evidence, or not as they are written, sorted.
    """

    emails: tuple[str, ...]
    keys: tuple[str, ...]
    local: str | None
    reasons: tuple[str, ...]


def standard_emails(raw: tuple[str | None, ...]) -> Emails:
    """The e-mails in a record's fields; a field may hold several.

    >>> standard_emails(("Ana <Ana.Ruiz+tienda@Gmail.com>", "x@x.com"))
    Emails(emails=('ana.ruiz+tienda@gmail.com', 'x@x.com'), keys=('anaruiz@gmail.com',), local='anaruiz', reasons=('email:placeholder',))
    """
    emails: dict[str, None] = {}
    keys, reasons = set(), set()
    for text in (text for value in raw for text in _texts(value)):
        found = _ADDRESS.fullmatch(text)
        if found is None or len(found[1]) > _LOCAL_LENGTH or len(text) > _LENGTH:
            reasons.add(INVALID)
            continue
        local, domain = found.groups()
        meant = _meant_domain(domain)
        if meant == domain:
            emails[text] = None
        if _is_placeholder(local, meant):
            reasons.add(PLACEHOLDER)
            continue
        keys.add(_key(local, meant))
        if meant != domain:
            reasons.add(MISSPELT)
    ordered = tuple(sorted(keys))
    return Emails(tuple(emails), ordered, _letters(ordered), tuple(sorted(reasons)))


def _texts(value: str | None) -> list[str]:
    """The addresses of a field in small letters, without what stands around them."""
    whole = blank_to_none(None if value is None else unicodedata.normalize("NFKC", value).lower())
    if whole is None:
        return []
    wrapped = _WRAPPED.findall(whole)
    parts = wrapped or [part for part in _SEPARATOR.split(_SCHEME.sub("", whole)) if part.strip(_AROUND)]
    # A blank inside one address (`ana ruiz@x.com`) leaves a part that is none: what was meant is unknown.
    if not all("@" in part for part in parts):
        parts = [whole]
    return [_bare(part) for part in parts]


def _bare(text: str) -> str:
    return _SCHEME.sub("", text.lstrip(_BEFORE)).rstrip(_AROUND).strip()


def _meant_domain(domain: str) -> str:
    """The domain, or that of the big provider whose name it misspells."""
    name, _, rest = _COM_SLIP.sub(".com", domain).partition(".")
    return f"{_MEANT.get(name, name)}.{rest}"


def _key(local: str, domain: str) -> str:
    """The mailbox: one key for all the ways to write it."""
    if _TAGGED.fullmatch(domain):
        local = local.partition("+")[0].rstrip(".") or local
    if domain in _GMAIL:
        return f"{local.replace('.', '') or local}@gmail.com"
    return f"{local}@{domain}"


def _letters(keys: tuple[str, ...]) -> str | None:
    if not keys:
        return None
    return "".join(c for c in plain(keys[0].partition("@")[0]) if c.isalpha()) or None


def _is_placeholder(local: str, domain: str) -> bool:
    """True for addresses typed to get past a form: nobody's name or domain, the same twice, one sign repeated."""
    signs = folded(local.partition("+")[0])
    site = domain.partition(".")[0]
    is_nobody = signs.rstrip("0123456789") in _NOBODY_WORDS or site in _NOBODY_SITES
    is_twin = signs == site and (len(signs) <= _TWIN_LENGTH or signs in _TWINS)
    is_repeated = len(signs) >= _REPEATED_LENGTH and len(set(signs)) == 1
    is_count = len(signs) >= _COUNT_LENGTH and signs.isdecimal() and is_filler(signs)
    is_reserved = _RESERVED.search(domain) is not None
    return not signs or is_nobody or is_twin or is_repeated or is_count or is_reserved
