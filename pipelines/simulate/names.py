"""Given names and surnames as a country has them: the whole dictionaries, drawn by frequency."""

from __future__ import annotations

import gzip
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.errors import UsageError
from pipelines.packaged import default_conf
from pipelines.simulate.text import Ints, plain, text

COUNTRIES = ("MX", "ES")
GENDERS = ("M", "F")
PARTICLES = frozenset({"de", "del", "la", "las", "los", "el", "y", "i", "e", "da", "do", "dos", "van", "von"})
SHORT_GIVEN = {
    "maria": ("Mª", "Ma.", "Ma"),
    "francisco": ("Fco.", "Fco"),
    "francisca": ("Fca.",),
    "guadalupe": ("Gpe.", "Gpe"),
    "jose": ("J.",),
    "antonio": ("Ant.",),
    "jesus": ("Jse.",),
}
SHORT_SURNAMES = {
    "martinez": ("Mtz.", "Mtnez"),
    "hernandez": ("Hdz.", "Hdez."),
    "gonzalez": ("Glez.", "Gzz"),
    "gutierrez": ("Gtz.", "Gtrz"),
    "rodriguez": ("Rdz.", "Rguez."),
    "fernandez": ("Fdz.", "Fdez."),
    "lopez": ("Lpz.",),
    "perez": ("Pz.",),
    "sanchez": ("Schz.",),
    "jimenez": ("Jmz.",),
    "dominguez": ("Dguez.",),
    "vazquez": ("Vzqz.",),
    "ramirez": ("Rmz.",),
}
ACCENTED = """
María José Jesús Ángel Ángeles Andrés Ramón Martín Joaquín Agustín Sebastián Germán Julián Adrián Iván
Óscar Víctor Héctor César Raúl Rubén Hernán Fermín Benjamín Tomás Matías Nicolás Lucía Sofía Inés Mónica
Verónica Rocío Belén Concepción Asunción Encarnación Ascensión Purificación Consolación Bárbara Débora
Águeda Ángela África Elías Isaías Félix Álvaro Íñigo Simón Efraín Damián Fabián Gastón Nicanor Noé Josué
Moisés Aarón Abrahán Úrsula Begoña Nuria García Díaz Mejía Garduño Ávila Álvarez Rincón Cortés Gómez
Núñez Ibáñez Peláez Muñoz Peña Ríos Solís Galán Marín Bermúdez Vélez Téllez Cárdenas Cáceres Chávez
Cháves Zúñiga Mondragón Valdés Galindo Farías Macías Matías Luján Durán Guzmán Román Beltrán Millán
Roldán Terán Galván Rosalío Ángulo Aragón Calderón Castañón Cerón Garzón León Monzón Rendón Rondón
Alarcón Falcón Pabón Lázaro Sáez Sáenz Páez Báez Bolívar Ávalos Cámara Cárcamo Nájera Sepúlveda Vásquez
Suárez Juárez Yáñez Zárate Mérida Málaga Córdoba Gálvez Márquez Velázquez Vázquez Cándido Cristóbal
Leónides
"""


@dataclass(frozen=True)
class Pool:
    """Entries of a dictionary and how often each is drawn."""

    rows: Ints
    edges: np.ndarray  # cumulative shares

    def draw(self, rng: np.random.Generator, size: int) -> Ints:
        """``size`` entries by frequency."""
        hit = np.searchsorted(self.edges, rng.random(size), side="right")
        return self.rows[np.minimum(hit, len(self.rows) - 1)]


@dataclass(frozen=True)
class Spellings:
    """For each entry its other ways of writing, as one flat column with offsets."""

    values: pa.StringArray
    start: Ints
    count: Ints

    def draw(self, rng: np.random.Generator, rows: Ints) -> pa.StringArray:
        """One other way of writing for each entry (entries must have one)."""
        at = self.start[rows] + (rng.random(len(rows)) * self.count[rows]).astype(np.int64)
        return self.values.take(pa.array(at))


@dataclass(frozen=True)
class Names:
    """The dictionaries, ready to draw from."""

    given: pa.StringArray
    given_first: pa.StringArray
    given_key: pa.StringArray
    """The first given name without accents, in small letters: for e-mails."""
    given_tax: pa.StringArray
    """The capital letter that the tax id takes from a given name."""
    nicknames: Spellings
    short_given: Spellings
    surname: pa.StringArray
    surname_key: pa.StringArray
    surname_tax: pa.StringArray
    """First letter and first inner vowel, for the tax id."""
    short_surname: Spellings
    group: Ints
    """Entries of one first given name and gender bear one number."""
    given_pools: dict[tuple[int, int], Pool]
    surname_pools: dict[int, Pool]

    def with_same_first(self, rng: np.random.Generator, rows: Ints) -> Ints:
        """For each given name another that begins with the same name (``Ana María``: ``Ana Luisa``)."""
        order = np.argsort(self.group, kind="stable")
        ordered = self.group[order]
        low = np.searchsorted(ordered, self.group[rows])
        high = np.searchsorted(ordered, self.group[rows], side="right")
        # The list is sorted by frequency: the first entries of a group are the ones people bear.
        width = np.minimum(high - low, 12)
        at: Ints = order[low + (rng.random(len(rows)) * width).astype(np.int64)]
        return at


def _accents() -> dict[str, str]:
    return {plain(text([w]))[0].as_py().lower(): w for w in ACCENTED.split()}


def spelled(name: str, accents: dict[str, str]) -> str:
    """A dictionary's entry as people write it: capitals, small particles, accents by rule."""
    words: list[str] = []
    parts = name.split()
    for word in parts:
        low = word.lower()
        if low in PARTICLES and len(parts) > 1:
            words.append(low)
        elif low in accents:
            words.append(accents[low])
        elif low.endswith("ez") and len(low) > 4 and low.isascii():
            vowels = [
                i
                for i, letter in enumerate(low[:-2])
                if letter in "aeiou" and not (letter == "u" and low[i - 1] in "gq")
            ]
            at = vowels[-1] if vowels else -1
            mark = {"a": "á", "e": "é", "i": "í", "o": "ó", "u": "ú"}
            words.append(
                (low[:at] + mark[low[at]] + low[at + 1 :]).capitalize() if vowels else low.capitalize()
            )
        else:
            words.append(low.capitalize())
    return " ".join(words)


def _table(name: str) -> pd.DataFrame:
    file = default_conf() / "dictionaries" / name
    if not file.is_file():
        raise UsageError(f"The dictionary {name} is missing from the configuration's dictionaries folder.")
    raw = file.read_bytes()
    content = gzip.decompress(raw) if name.endswith(".gz") else raw
    return pd.read_csv(pa.BufferReader(content), dtype=str, keep_default_na=False)


def _by_frequency(name: str) -> pd.DataFrame:
    """A dictionary of names, the frequent ones first; a name without a frequency counts as rare."""
    frame = _table(name)
    frame = frame[frame["name"].str.strip() != ""]
    frequency = pd.to_numeric(frame["frequency"], errors="coerce").fillna(1).clip(lower=0.01)
    return frame.assign(frequency=frequency).sort_values(
        "frequency", ascending=False, kind="stable", ignore_index=True
    )


def _pool(frame: pd.DataFrame, keep: pd.Series[bool]) -> Pool:
    rows = np.flatnonzero(keep.to_numpy())
    weight = frame["frequency"].to_numpy(float)[rows]
    return Pool(rows, np.cumsum(weight) / weight.sum())


def _of_country(frame: pd.DataFrame, country: str) -> pd.Series[bool]:
    """The rows of a country; the whole dictionary where the country has no list of its own."""
    keep = frame["country"].str.contains(country, regex=False)
    return keep if keep.sum() >= 500 else pd.Series(True, index=frame.index)


def _flat(lists: list[list[str]]) -> Spellings:
    count = np.array([len(entry) for entry in lists], np.int64)
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    return Spellings(text([value for entry in lists for value in entry]), start, count)


def _first_inner_vowel(key: str) -> str:
    letters = "".join(c for c in key.upper() if "A" <= c <= "Z") or "X"
    return letters[0] + next((c for c in letters[1:] if c in "AEIOU"), "X")


def _without_particles(key: str) -> str:
    words = [word for word in key.split() if word not in PARTICLES]
    return " ".join(words) or key


def _tax_letter(key: str) -> str:
    words = _without_particles(key).split()
    word = words[1] if len(words) > 1 and words[0] in {"maria", "jose"} else words[0]
    return word[0].upper() if word[0].isascii() and word[0].isalpha() else "X"


def load() -> Names:
    """The dictionaries of the configuration. Raises UsageError where one is missing."""
    given, surnames = _by_frequency("given_names.csv.gz"), _by_frequency("surnames.csv.gz")
    accents = _accents()
    hypocoristics = _table("hypocoristics.csv")
    nicknames: dict[str, list[str]] = defaultdict(list)
    for name, other in zip(hypocoristics["formal"], hypocoristics["variant"], strict=True):
        nicknames[plain(text([name]))[0].as_py().lower()].append(other)

    written = [spelled(name, accents) for name in given["name"]]
    keys = [key.lower() for key in plain(text(written)).to_pylist()]
    first = [key.split()[0] for key in keys]
    family = [spelled(name, accents) for name in surnames["name"]]
    family_keys = [key.lower() for key in plain(text(family)).to_pylist()]
    gender = given["gender"]
    return Names(
        given=text(written),
        given_first=text([name.split()[0] for name in written]),
        given_key=text(["".join(c for c in key if c.isascii() and c.isalnum()) or "x" for key in first]),
        given_tax=text([_tax_letter(key) for key in keys]),
        nicknames=_flat(
            [nicknames.get(key) or nicknames.get(one, []) for key, one in zip(keys, first, strict=True)]
        ),
        short_given=_flat(
            [
                [" ".join([short, *name.split()[1:]]) for short in SHORT_GIVEN.get(one, ())]
                for name, one in zip(written, first, strict=True)
            ]
        ),
        surname=text(family),
        surname_key=text(
            ["".join(c for c in key if c.isascii() and c.isalnum()) or "x" for key in family_keys]
        ),
        surname_tax=text([_first_inner_vowel(_without_particles(key)) for key in family_keys]),
        short_surname=_flat([list(SHORT_SURNAMES.get(key, ())) for key in family_keys]),
        group=pd.factorize(pd.Series(first) + gender)[0],
        given_pools={
            (c, g): _pool(given, _of_country(given, country) & (gender == sex))
            for c, country in enumerate(COUNTRIES)
            for g, sex in enumerate(GENDERS)
        },
        surname_pools={c: _pool(surnames, _of_country(surnames, k)) for c, k in enumerate(COUNTRIES)},
    )
