"""Keys that are regular expressions, run in the engine with a time limit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lunalux_core.errors import LunaluxError

if TYPE_CHECKING:
    from lunalux_core.regex.engine import EcmaEngine

EVALUATION_SECONDS = 2.0
"""Processor time all patterns of one scan may use together."""

_Asked = tuple[str, str, str]


class RegexMatcher:
    """A matcher for `Tools`, for one scan: None for an invalid pattern, False for one out of time.

    `prepare` runs many patterns on one text in one round trip; asking afterwards costs nothing. `invalid` and
    `slow` are the patterns, with their flags, that gave no answer.
    """

    def __init__(self, engine: EcmaEngine) -> None:
        from lunalux_core.regex.engine import RegexBudget

        self._engine = engine
        self._budget = RegexBudget(total=EVALUATION_SECONDS)
        self._answers: dict[_Asked, bool | None] = {}
        self.invalid: set[tuple[str, str]] = set()
        self.slow: set[tuple[str, str]] = set()

    def __call__(self, pattern: str, flags: str, text: str) -> bool | None:
        question = (pattern, flags, text)
        if question not in self._answers:
            self.prepare([(pattern, flags)], text)
        return self._answers[question]

    def prepare(self, patterns: Iterable[tuple[str, str]], text: str) -> None:
        """Find out for all of these whether they match this text."""
        new = [pattern for pattern in dict.fromkeys(patterns) if (*pattern, text) not in self._answers]
        if not new:
            return
        for pattern, answer in zip(new, self._engine.test_many(new, text, self._budget), strict=True):
            if isinstance(answer, LunaluxError):
                bad = answer.code == "REGEX_INVALID"
                (self.invalid if bad else self.slow).add(pattern)
                # None: the caller takes an invalid pattern for a plain key. A slow one must not match at all.
                self._answers[*pattern, text] = None if bad else False
            else:
                self._answers[*pattern, text] = answer


def regex_matcher(engine: EcmaEngine) -> RegexMatcher:
    """A matcher for the `Tools` of one scan."""
    return RegexMatcher(engine)
