"""Patterns of templates (`activation_regex`), which are JavaScript's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lunalux_core.errors import LunaluxError
from lunalux_core.regex.engine import EcmaEngine
from lunalux_core.templates.template_activation import Matches


@contextmanager
def regex_matches() -> Iterator[Matches]:
    """A way to match with an engine of its own, which ends with the block."""
    engine = EcmaEngine()
    try:
        yield matches_with(engine)
    finally:
        engine.close()


def matches_with(engine: EcmaEngine) -> Matches:
    """A way to match with that engine. A pattern that is refused or takes too long matches nothing."""

    def matches(source: str, flags: str, text: str) -> bool:
        try:
            # With g, JavaScript goes on from where the last search ended;
            # each name is searched from its beginning.
            return bool(engine.find_all(source, flags.replace("g", ""), text, 1))
        except LunaluxError:
            return False

    return matches
