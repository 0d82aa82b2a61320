"""Words that nobody is called."""

from __future__ import annotations

SYLLABLES = [consonant + vowel for consonant in "bcdfglmnprst" for vowel in "aeiou"]


def word(number: int, length: int) -> str:
    """A word of its own for each number; neighbours have nothing in common but by chance."""
    total = len(SYLLABLES) ** length
    at = number * 48_611 % total
    found = ""
    for _ in range(length):
        at, syllable = divmod(at, len(SYLLABLES))
        found += SYLLABLES[syllable]
    return found
