"""Person or company, and the name of either: names are read only after it is known what they name."""

from __future__ import annotations

from typing import NamedTuple

from pipelines.standardise.companies import Company, has_legal_form, standard_company
from pipelines.standardise.names import Name, standard_name

PERSON, COMPANY, UNKNOWN = "person", "company", "unknown"


class Party(NamedTuple):
    """What a record says about whom it is of: its type, and the name in the columns of that type."""

    party_type: str
    name: Name
    company: Company

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why parts of the name do not count as evidence."""
        return self.name.reasons + self.company.reasons


def party_type(
    declared: str | None, tax_party: str | None, name: str, *, is_apart: bool = False
) -> str | None:
    """``person`` or ``company`` by the first that says so: declared code, tax id, legal form.

    ``name``: of any kind, perhaps empty; ``is_apart``: its given name and surname came in fields of their
    own. None where none of them says anything.
    """
    for said in (declared, tax_party):
        if said in (PERSON, COMPANY):
            return said
    return COMPANY if name and has_legal_form(name, is_apart=is_apart) else None


def standard_party(
    full_name: str | None,
    given_name: str | None,
    surname: str | None,
    second_surname: str | None,
    declared: str | None,
    tax_party: str | None,
    name_order: str,
    country: str,
) -> Party:
    """The party of a record, with its standard name and keys.

    ``declared``: the source's code, already mapped to person or company; ``tax_party``: what the tax
    id says. A record that neither tells, with a name that is no company's, is a person's.
    """
    fields = " ".join(part.strip() for part in (given_name, surname, second_surname) if part)
    is_whole = bool(full_name and full_name.strip())
    whole = full_name if full_name and is_whole else fields
    is_apart = not is_whole and all(part and part.strip() for part in (given_name, surname))
    said = party_type(declared, tax_party, whole.strip(), is_apart=is_apart)
    if said == COMPANY:
        return Party(COMPANY, Name(), standard_company(whole))
    name = standard_name(full_name, given_name, surname, second_surname, name_order, country)
    is_named = name.given_name is not None or name.surname is not None
    return Party(said or (PERSON if is_named else UNKNOWN), name, Company())
