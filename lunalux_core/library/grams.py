"""Character groups: what the market's search index holds instead of words.

Every run of characters without blanks gives all its groups of one, two and three characters, whatever the
script. A short query is a group itself; a longer one is covered by a few. So a substring is found from the
first letter on, in Chinese as in English, and a query that matches nothing is answered as fast as one that
does. Pure functions, no I/O.
"""

from __future__ import annotations

LONGEST = 3
MARK = "\ue000"
"""Begins the groups that are no text; private-use characters of the text itself are taken out."""

CLEAN, EXPLICIT, ORIGINAL = f"{MARK}c", f"{MARK}x", f"{MARK}o"

_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F) if not chr(code).isalnum()}
_SAFE = _FULL_WIDTH | {ord(MARK): 0xFFFD}
"""ASCII punctuation would end a token of SQLite's ascii tokenizer; full-width forms do not."""


def text_grams(text: str) -> set[str]:
    """All groups of a case-folded text."""
    grams: set[str] = set()
    for run in text.translate(_SAFE).split():
        end = len(run)
        grams.update(run)
        grams.update(run[i : i + 2] for i in range(end - 1))
        grams.update(run[i : i + 3] for i in range(end - 2))
    return grams


def query_of(word: str) -> list[str]:
    """Groups that every text with this case-folded word has: its threes, or the word itself if short."""
    safe = word.translate(_SAFE)
    # Longer than a group: the text has all its threes, whose order the caller then checks.
    if len(safe) <= LONGEST:
        return [safe]
    return [safe[i : i + LONGEST] for i in range(len(safe) - LONGEST + 1)]


def tag_gram(tag: str) -> str:
    """The search group of a whole case-folded tag."""
    return f"{MARK}t{MARK.join(tag.translate(_SAFE).split())}"
