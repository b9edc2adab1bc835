"""What a changed file of a story asks of the library, by comparison with what both agreed on last.

Words that changed are an edit, words at the end are new messages. Everything else (a message in between,
another ending, the same message changed in both places) becomes a branch, so that both stories stay whole.
What is missing in a file is never deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from lunalux_core.library.branches import Said
from lunalux_core.mirror.story_text import Block, text_hash
from lunalux_core.text import clean, clean_line

NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Edit:
    """Other words, or another name, for a message."""

    id: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be done: edits, then a chain of messages under `parent` ("": at the top).

    Args:
        branches: whether the chain leaves the branch that the file was of.
        conflict: whether the library had changed at the same place.
        missing: how many messages the file has not, which stay.
    """

    edits: tuple[Edit, ...] = ()
    parent: str = ""
    chain: tuple[Block, ...] = ()
    branches: bool = False
    conflict: bool = False
    missing: int = 0


def changes_of(base: Mapping[str, str], file: Sequence[Block], line: Sequence[Said]) -> Changes:
    """What a file asks for.

    Args:
        base: hashes of the words that both had last, by the ids of the messages.
        line: the branch in the library.
    """
    return _Comparison(base, file, line).changes()


def same_words(block: Block, message: Said) -> bool:
    """Whether a block says what a message says, before or after it was made harmless."""
    wanted = text_hash(message.text)
    return wanted in (text_hash(block.text), text_hash(clean(block.text)))


class _Comparison:
    def __init__(self, base: Mapping[str, str], file: Sequence[Block], line: Sequence[Said]) -> None:
        self._base = base
        self._file = file
        self._line = line
        self._stored = {message.id: message for message in line}
        self._claimed = {block.id for block in file if block.id}

    def changes(self) -> Changes:
        common = 0
        for block, message in zip(self._file, self._line, strict=False):
            if not self._matches(block, message):
                break
            if self._is_conflict(block, message):
                return self._branch(common, self._file[common:], self._edits(common), conflict=True)
            common += 1
        edits = self._edits(common)
        rest = [block for block in self._file[common:] if not self._was_deleted(block)]
        if all(block.id in self._stored for block in rest):
            return self._with_gaps(common, edits, rest)
        if common == len(self._line):
            parent = self._line[-1].id if self._line else ""
            return Changes(edits, parent, tuple(rest))
        went_on = any(message.id not in self._base for message in self._line[common:])
        return self._branch(common, rest, edits, conflict=went_on)

    def _with_gaps(self, common: int, edits: tuple[Edit, ...], rest: Sequence[Block]) -> Changes:
        """Known messages alone are left, some of them perhaps missing or in another order."""
        pairs = [(block, self._stored[block.id]) for block in rest]
        if any(self._is_conflict(block, message) for block, message in pairs):
            return self._branch(common, rest, edits, conflict=True)
        missing = [m for m in self._line if m.id in self._base and m.id not in self._claimed]
        if common == len(self._file):  # headings that lost their ids stand for what they stood for
            missing = [m for m in self._line[common:] if m.id in self._base]
        more = tuple(edit for block, message in pairs if (edit := self._edit(block, message)))
        return Changes((*edits, *more), missing=len(missing))

    def _branch(
        self, common: int, chain: Sequence[Block], edits: tuple[Edit, ...], *, conflict: bool
    ) -> Changes:
        parent = self._line[common - 1].id if common else ""
        return Changes(edits, parent, tuple(chain), branches=True, conflict=conflict)

    def _edits(self, common: int) -> tuple[Edit, ...]:
        pairs = zip(self._file[:common], self._line[:common], strict=True)
        return tuple(edit for block, message in pairs if (edit := self._edit(block, message)))

    def _matches(self, block: Block, message: Said) -> bool:
        """Whether a block stands for a message, by its id, its words or its place."""
        if block.id == message.id:
            return True
        if block.id in self._stored or message.id in self._claimed:
            return False
        if same_words(block, message):
            return True
        # An editor that was open while the file got its ids writes it once more without them, and by then
        # somebody may have typed on.
        return not block.id and message.id in self._base and _goes_on(block, message)

    def _edit(self, block: Block, message: Said) -> Edit | None:
        name = message.name
        if block.id and clean_line(block.name, NAME_LENGTH) not in ("", clean_line(name, NAME_LENGTH)):
            name = clean_line(block.name, NAME_LENGTH)
        if not self._changed_in_file(block, message):
            return None if name == message.name else Edit(message.id, name, message.text)
        return Edit(message.id, name, clean(block.text))

    def _changed_in_file(self, block: Block, message: Said) -> bool:
        return not same_words(block, message) and text_hash(block.text) != self._base.get(message.id)

    def _is_conflict(self, block: Block, message: Said) -> bool:
        return self._changed_in_file(block, message) and text_hash(message.text) != self._base.get(message.id)

    def _was_deleted(self, block: Block) -> bool:
        """Whether a block is of a message that the library deleted, and nobody changed since."""
        return block.id not in self._stored and self._base.get(block.id) == text_hash(block.text)


def _goes_on(block: Block, message: Said) -> bool:
    """Whether a block is a message of the same person that was begun alike."""
    if block.name.strip().casefold() != message.name.strip().casefold():
        return False
    pairs = zip(block.text, message.text, strict=False)
    alike = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    return 0 < min(len(block.text), len(message.text)) <= 2 * alike
