"""What a server's tokenizer has counted, by text, and how to count with it.

See docs/spec/formats.md: Context and token counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lunalux_core.llm.tokens import PER_MESSAGE, TokenEstimator

if TYPE_CHECKING:
    from lunalux_core.llm.kept_counts import KeptCounts

MOST_KNOWN = 200_000
MOST_NOTED = 8_000
MOST_CHARS = 24_000
"""Of a text that is counted; longer ones are whole prompts, which are other ones every turn."""
ENOUGH = 500
"""Tokens from which on what was counted tells how dense other texts are."""
MOST_FRAME = 24

_Key = tuple[int, int]


@dataclass(slots=True)
class TokenCounts:
    """What one tokenizer has counted. `frame` is what a message costs beside its text; `counted` are the
    tokens of all texts together, and `estimated` what an estimate says of them. `kept` has what was counted
    before this start."""

    frame: float = PER_MESSAGE
    counted: int = 0
    estimated: int = 0
    counts: dict[_Key, int] = field(default_factory=dict)
    noted: dict[_Key, str] = field(default_factory=dict)
    kept: KeptCounts | None = None
    _earlier: dict[bytes, int] | None = None
    _fresh: dict[bytes, int] = field(default_factory=dict)

    def of(self, text: str) -> int | None:
        """The tokens of a text; one that nobody has counted is noted."""
        # Not the text itself, which would keep every prompt in memory.
        key = (hash(text), len(text))
        count = self.counts.get(key)
        if count is None and self.kept is not None:
            count = self._counted_earlier(key, text)
        if count is None and len(self.noted) < MOST_NOTED and len(text) <= MOST_CHARS:
            self.noted[key] = text
        return count

    def _counted_earlier(self, key: _Key, text: str) -> int | None:
        """The tokens of a text that was counted before this start."""
        from lunalux_core.llm.kept_counts import digest

        if self._earlier is None:
            self._read()
        if not self._earlier:
            return None
        count = self._earlier.get(digest(text))
        if count is not None:
            self.counts[key] = count
        return count

    def _read(self) -> None:
        frame, counted, estimated, self._earlier = self.kept.read() if self.kept else (0, 0, 0, {})
        if estimated:
            self.frame = frame
            self.counted, self.estimated = self.counted + counted, self.estimated + estimated

    def store(self) -> None:
        """Keep what was counted since the last time for later starts (blocking)."""
        if self.kept is None or not self._fresh:
            return
        if self._earlier is None:
            self._read()
        fresh, self._fresh = self._fresh, {}
        self.kept.write(self.frame, self.counted, self.estimated, fresh)

    def keep(self, text: str, tokens: int) -> None:
        if self.kept is not None:
            from lunalux_core.llm.kept_counts import digest

            self._fresh[digest(text)] = tokens
        if len(self.counts) >= MOST_KNOWN:
            # The oldest quarter at once, so that this happens rarely.
            for key in list(self.counts)[: MOST_KNOWN // 4]:
                del self.counts[key]
        self.counts[(hash(text), len(text))] = tokens
        self.counted += tokens
        self.estimated += TokenEstimator().text(text)

    def ratio(self) -> float | None:
        """Tokens to estimated ones, None while too little is known."""
        return self.counted / self.estimated if self.estimated >= ENOUGH else None

    def learn_frame(self, texts: list[str], reported: int) -> None:
        """A server told the tokens of a whole prompt: where all its texts are known, the rest is frames."""
        tokens = [self.counts.get((hash(text), len(text))) for text in texts]
        exact = [count for count in tokens if count is not None]
        if texts and len(exact) == len(texts):
            self.frame = min(max((reported - sum(exact)) / len(texts), 0), MOST_FRAME)


@dataclass(frozen=True, slots=True)
class KnownTokens:
    """Counts like a `TokenEstimator`, exactly where the server has counted."""

    estimate: TokenEstimator
    counts: TokenCounts

    def text(self, text: str) -> int:
        if not text:
            return 0
        count = self.counts.of(text)
        if count is not None:
            return count
        ratio = self.counts.ratio()
        return self.estimate.text(text) if ratio is None else math.ceil(TokenEstimator().text(text) * ratio)

    def message(self, content: str) -> int:
        return self.text(content) + math.ceil(self.counts.frame)
