"""Words that sound alike in Spanish share a phonetic key, and others do not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.standardise.phonetic import phonetic

ALIKE = """
    Vázquez      Bazquez        b and v
    Vázquez      Basques        z, s and qu
    Jiménez      Giménez        j and g before e
    Jiménez      Ximénez        x as j
    Hernández    Ernandes       mute h, z and s
    Quiroga      Kiroga         qu and k
    Cervantes    Servantes      c before e
    Geovanni     Jeovani        g before e, doubled n
    Peña         PEÑA           case
    José         jose           accent
    Reyes        Rélles         y and ll
    Mireya       Mirella        y and ll
    Echeverría   Etxeberria     Basque tx, doubled r
    Wenceslao    Venceslao      w and v
    Sophia       Sofía          ph
    Campos       Canpos         n before p
    Félix        Felis          x at the end
    Ascensión    Asención       sc, s and c
    Huerta       Uerta          mute h
    Agüero       Aguero         diaeresis
    Alexandra    Alejandra      x between vowels
    Muñoz        Munyoz         Catalan ny
    Eloy         Eloi           y at the end
    Psique       Sique          p before s at the start
    De la Cruz   Delacrus       blanks
"""
DIFFERENT = """
    Joan      Joana      a letter at the end counts
    Prado     Prados     so does the plural
    Peña      Pena       ñ is no n
    Casa      Caja       s and j
    Yáñez     Llanes     ñ is no n
    Guerra    Gerra      gu before e is hard
    Chávez    Cávez      ch is no c
    Pérez     Báez       p and b
    Mario     María      gender
"""


def pairs(text: str) -> list[tuple[str, str]]:
    lines = [line.split("  ") for line in text.strip().splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    return [(first, second) for first, second, _ in cells]


@pytest.mark.parametrize(("one", "other"), pairs(ALIKE))
def test_words_that_sound_alike_share_a_key(one: str, other: str) -> None:
    assert phonetic(one) == phonetic(other)


@pytest.mark.parametrize(("one", "other"), pairs(DIFFERENT))
def test_words_that_differ_to_the_ear_do_not(one: str, other: str) -> None:
    assert phonetic(one) != phonetic(other)


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("Vázquez", "baskes"),
        ("Guerrero", "guerero"),
        ("Quiñones", "kiñones"),
        ("Xóchitl", "jochitl"),
        ("Llorente", "yorente"),
        ("Zúñiga", "suñiga"),
        ("", ""),
        ("123 - .", ""),
        ("王伟", ""),
    ],
)
def test_keys_by_hand(word: str, key: str) -> None:
    assert phonetic(word) == key


SPANISH = st.text(alphabet="abcdefghijklmnopqrstuvwxyzñáéíóúü '-", max_size=14)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=20))
def test_any_text_has_a_key_of_lower_case_letters(text: str) -> None:
    assert set(phonetic(text)) <= set("abcdefghijklmnopqrstuvwxyzñ")


@settings(max_examples=150, deadline=None)
@given(SPANISH)
def test_case_accents_and_doubled_letters_do_not_change_the_key(text: str) -> None:
    assert phonetic(text.upper()) == phonetic(text)
    assert phonetic(text.translate(str.maketrans("áéíóúü", "aeiouu"))) == phonetic(text)
    assert phonetic(text.replace("m", "mm").replace("d", "dd")) == phonetic(text)
