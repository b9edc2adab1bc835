"""The style sheet of the app, of which nothing is parsed twice.

Textual parses every source again whenever a screen or dialog brings one of its own, and whenever a mode is
entered. What a source says follows from its text and the variables of the theme alone, so parsed rules are
kept by these two.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from textual.cache import LRUCache
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

SOURCES = 512
"""Sources whose rules are kept for a theme: more than the app, its screens and all widgets have."""


class StyleSheet(Stylesheet):
    """Textual's style sheet, which does not parse again what was parsed with the same variables."""

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._parse_cache = _parsed(frozenset(variables.items()))

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables == self._variables:
            return
        self._parse_cache = LRUCache(1)  # the other theme's rules stay: Textual empties what it finds here
        super().set_variables(variables)
        self._parse_cache = _parsed(frozenset(variables.items()))

    def reparse(self) -> None:
        """Rules of all sources; a source with an error raises and leaves the rules as they were."""
        self.parse()


@lru_cache(maxsize=8)  # trying one theme after another goes back and forth between few
def _parsed(_variables: frozenset[tuple[str, str]]) -> LRUCache[tuple[Any, ...], list[RuleSet]]:
    """Where rules parsed with these variables are kept, by source."""
    return LRUCache(SOURCES)
