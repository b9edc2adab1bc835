"""The scan buffer: what is searched for keys, message by message.

See docs/spec/formats.md: Scan buffer and keys.
"""

from __future__ import annotations

from collections.abc import Sequence

from lunalux_core.macros.expansion import hidden_keys
from lunalux_core.worldbook.engine.engine_inputs import ScanContext, ScanMessage, WorldbookSettings
from lunalux_core.worldbook.engine.entry_keys import JS_BLANKS, Haystack
from lunalux_core.worldbook.entry import Entry

START = "\x01"
JOINER = "\n" + START
MAX_DEPTH = 1000
"""Messages that any entry can look at."""

_Extra = tuple[bool, bool, bool, bool, bool, bool]


class Buffer:
    """The messages newest first, texts of the character, injections, and the recursion text so far.

    Entries that look at the same things share one `Haystack`, so each is prepared once per pass.
    """

    def __init__(
        self, chat: Sequence[ScanMessage], settings: WorldbookSettings, context: ScanContext
    ) -> None:
        named = settings.include_names
        self.lines = [
            (f"{message.name}: {message.text}" if named and message.name else message.text).strip(JS_BLANKS)
            for message in reversed(chat[-MAX_DEPTH:])
        ]
        self.messages = len(chat)
        self.depth = settings.depth
        self.recursion: list[str] = []
        self._injections = list(context.injections)
        self._extras = (
            context.persona,
            context.description,
            context.personality,
            context.depth_prompt,
            context.scenario,
            context.creator_notes,
        )
        self._shared: dict[tuple[int, _Extra, int], Haystack] = {}
        self._alone: dict[int, Haystack] = {}
        self._newest: dict[int, Haystack] = {}

    def remember(self, text: str) -> str:
        """Recursion text of a pass; returns what there is to search in it.

        ``{{hidden_key:…}}`` is empty in a prompt and searched nevertheless (V3).
        """
        self.recursion.append(text)
        self._shared.clear()
        return text

    def deepen(self) -> str:
        """Look at one message more (minimum activations); returns that message."""
        self.depth += 1
        self._shared.clear()
        return self.lines[self.depth - 1] if 0 < self.depth <= len(self.lines) else ""

    def everything(self, depth: int) -> str:
        """All that an entry of this depth could look at, before any recursion."""
        return JOINER.join([*self.lines[: max(depth, 0)], *filter(None, self._extras), *self._injections])

    def haystack(self, entry: Entry, with_recursion: bool) -> Haystack:
        """What this entry looks at. A depth of 0 or less hides everything, recursion text too."""
        depth = self.depth if entry.scan_depth is None else entry.scan_depth
        # All depths beyond the chat see the same: one haystack for them.
        depth = min(depth, len(self.lines)) if depth > 0 else -1
        extra = (
            entry.match_persona_description,
            entry.match_character_description,
            entry.match_character_personality,
            entry.match_character_depth_prompt,
            entry.match_scenario,
            entry.match_creator_notes,
        )
        shared = (depth, extra, len(self.recursion) if with_recursion else 0)
        haystack = self._shared.get(shared)
        if haystack is None:
            haystack = self._shared[shared] = Haystack(self._text(*shared))
        return haystack

    def _text(self, depth: int, extra: _Extra, recursion: int) -> str:
        if depth < 0:
            return ""
        # The order of the parts is SillyTavern's: a pattern over the border of two of them could tell.
        extras = [text for text, on in zip(self._extras, extra, strict=True) if on and text]
        parts = [JOINER.join(self.lines[:depth]), *extras, *self._injections, *self.recursion[:recursion]]
        return START + JOINER.join(parts)

    def newest(self, count: int) -> Haystack:
        """The newest `count` messages and nothing else."""
        haystack = self._newest.get(count)
        if haystack is None:
            text = START + JOINER.join(self.lines[:count]) if count > 0 else ""
            haystack = self._newest[count] = Haystack(text)
        return haystack

    def message(self, depth: int) -> Haystack:
        """One message alone, by its distance from the newest."""
        haystack = self._alone.get(depth)
        if haystack is None:
            haystack = self._alone[depth] = Haystack(START + self.lines[depth])
        return haystack


def searched(contents: Sequence[str], raw: Sequence[str]) -> str:
    """The recursion text of a pass: the expanded contents, and the hidden keys of what they were before."""
    hidden = [key for text in raw for key in hidden_keys(text)]
    return "\n".join([*contents, *hidden])
