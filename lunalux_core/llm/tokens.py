"""Token estimates without a vocabulary and without a download.

The two pairs of constants were fitted on 1,834 real card and lorebook texts; they err towards too many
tokens (median 6 to 8 %), because a prompt cut a little early is better than one the server refuses.
What remains of the error is a property of the model's tokenizer: `calibrated` learns it as a factor
from the counts that providers report.

See docs/spec/formats.md: Context and token counts.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

Vocabulary = Literal["o200k", "cl100k"]

_PER_CHAR: dict[Vocabulary, tuple[float, float]] = {"o200k": (0.98, 0.37), "cl100k": (1.45, 0.39)}
PER_MESSAGE = 4

# Ideographs, kana, hangul, their punctuation and full-width forms; and pictographs, which cost as much.
_WIDE = re.compile(
    "[\u1100-\u11ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    "\U0001f000-\U0001faff\U00020000-\U0003ffff]+"
)
_OLDER = re.compile(r"gpt-4(?!o|\.[1-9])|gpt-3|claude|llama-?[12]|mistral|mixtral|yi-|command", re.IGNORECASE)

_LEAST_FACTOR, MOST_FACTOR = 0.4, 3.0
_LEARNING = 0.2
_MEANINGFUL_TOKENS = 50


@dataclass(frozen=True, slots=True)
class TokenEstimator:
    """Counts tokens of texts and messages for one model; `factor` is what calibration has learnt."""

    vocabulary: Vocabulary = "o200k"
    factor: float = 1.0

    def text(self, text: str) -> int:
        """Tokens of a text, rounded up; 0 for an empty one."""
        return self.of_counts(wide_characters(text), len(text))

    def of_counts(self, wide: int, total: int) -> int:
        """Tokens of a text of `total` characters, `wide` ones among them."""
        per_wide, per_other = _PER_CHAR[self.vocabulary]
        return math.ceil(self.factor * (per_wide * wide + per_other * (total - wide)))

    def message(self, content: str) -> int:
        """Tokens of one message of a request: its content and the frame around it."""
        return self.text(content) + PER_MESSAGE


def wide_characters(text: str) -> int:
    """How many characters of a text cost about a token each."""
    return 0 if text.isascii() else sum(map(len, _WIDE.findall(text)))


def estimator(model: str, factor: float = 1.0) -> TokenEstimator:
    """The estimator for a model's name. Unknown models count like current ones."""
    return TokenEstimator("cl100k" if _OLDER.search(model) else "o200k", _bounded(factor))


def calibrated(factor: float, estimated: int, reported: int) -> float:
    """The factor after one more call: `estimated` is what we counted with `factor`, `reported` what the
    provider says. Moves a fifth of the way, so that one odd report does no harm; short prompts, where the
    provider's own frame dominates, teach nothing.
    """
    if estimated < _MEANINGFUL_TOKENS or reported < _MEANINGFUL_TOKENS:
        return _bounded(factor)
    target = factor * reported / estimated
    return _bounded(factor + _LEARNING * (target - factor))


def _bounded(factor: float) -> float:
    return min(max(factor, _LEAST_FACTOR), MOST_FACTOR)
