"""What an e-mail tells beside the name: cases as they stand in real customer files."""

from __future__ import annotations

import pytest

from pipelines.standardise.email_hints import birth_hints, email_hints


@pytest.mark.parametrize(
    ("local", "hints"),
    [
        ("yolandaperez74", {"74"}),
        ("ana.1998", {"98"}),
        ("jose1701", {"0117"}),
        ("luis_0304", {"0304", "0403"}),
        ("luis1325", set()),
        ("ana01021985", {"0102", "0201", "85"}),
        ("rocio922", set()),
        ("tienda", set()),
        ("a1b2", set()),
    ],
)
def test_digits_are_years_or_days(local: str, hints: set[str]) -> None:
    assert birth_hints(local) == hints


@pytest.mark.parametrize(
    ("key", "given", "surname", "second", "expected"),
    [
        # The surname stands in the e-mail, another one behind it.
        ("juan.trevino.flores@hotmail.com", ("juan",), "trevino", None, (None, "flores")),
        ("jtrevinoflores@gmail.com", ("juan", "carlos"), "trevino", None, (None, "flores")),
        ("jose.pacheco.delacruz@hotmail.com", ("jose",), "pacheco", None, (None, "cruz")),
        # What is stated is not told again.
        ("jtrevinoflores@gmail.com", ("juan",), "trevino", "garza", (None, None)),
        # Somebody else's mailbox tells nothing of this person.
        ("pablofernandez92@icloud.com", ("maria", "josefa"), "lopez", None, (None, None)),
        ("luishernandez@yahoo.com.mx", ("omar",), None, None, (None, None)),
        # No surname is stated: the given name or its initial stands before it.
        ("msanchezperez@gmail.com", ("maria", "luz"), None, None, ("sanchez", "perez")),
        ("vguzmanzavala@icloud.com", ("v",), None, None, ("guzman", "zavala")),
        ("rociolozano922@gmail.com", ("rocio",), None, None, ("lozano", None)),
        # The given name may stand behind the surname, and is none.
        ("diaz.victoria@hotmail.com", ("victoria",), "diaz", None, (None, None)),
        ("molina.alicia@hotmail.com", ("elena",), "molina", None, (None, None)),
        ("ruizsantiago@gmail.com", ("santiago",), "ruiz", None, (None, None)),
        ("garcia.josefina@gmail.com", ("josefina",), None, None, ("garcia", None)),
        ("anamaria@gmail.com", ("ana",), None, None, (None, None)),
        ("mariasantiago@outlook.com", ("maria",), None, None, ("santiago", None)),
        # The mailbox of a María is not that of an M. Aria.
        ("maria.gomez@hotmail.com", ("malena",), None, None, ("gomez", None)),
        ("josefinamartinez@hotmail.com", ("jose",), None, None, ("martinez", None)),
        # Letters that no dictionary has as a surname stay letters.
        ("anaxyzqw@gmail.com", ("ana",), None, None, (None, None)),
        ("ruizpedidos@gmail.com", ("ana",), "ruiz", None, (None, None)),
    ],
)
def test_surnames_fill_what_the_record_does_not_state(
    key: str,
    given: tuple[str, ...],
    surname: str | None,
    second: str | None,
    expected: tuple[str | None, str | None],
) -> None:
    assert email_hints((key,), given, surname, second, "MX")[:2] == expected


def test_a_record_without_email_or_name_has_no_hint() -> None:
    assert email_hints(None, ("ana",), "ruiz", None, "MX") == (None, None, None, None)
    assert email_hints(("ana82@gmail.com",), None, None, None, "MX").births == ("82",)
