"""What changed between the prompts of two turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

Mark = Literal["same", "new", "gone", "changed"]
MOST_LINES = 3_000
"""Lines of a text that are compared one by one; a longer one is shown as taken out and put in."""


@dataclass(frozen=True, slots=True)
class MessageDifference:
    """A message of this prompt, of the one before it, or of both."""

    mark: Mark
    now: Mapping[str, Any] | None
    before: Mapping[str, Any] | None

    @property
    def message(self) -> Mapping[str, Any]:
        """The message as it is now; one that is gone as it was."""
        message = self.now if self.now is not None else self.before
        assert message is not None
        return message


def compare_messages(
    now: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]
) -> list[MessageDifference]:
    """The messages of both prompts in order; one that fills the same place with other words is changed."""
    matcher = SequenceMatcher(
        None, [_whole(message) for message in before], [_whole(message) for message in now]
    )
    comparisons: list[MessageDifference] = []
    for kind, first, last, start, end in matcher.get_opcodes():
        if kind == "equal":
            pairs = zip(now[start:end], before[first:last], strict=True)
            comparisons += [MessageDifference("same", earlier, other) for earlier, other in pairs]
        else:
            comparisons += _replaced(now[start:end], before[first:last])
    return comparisons


def _replaced(
    now: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]
) -> Iterator[MessageDifference]:
    unmatched = list(before)
    for message in now:
        at = next((place for place, other in enumerate(unmatched) if _place(other) == _place(message)), None)
        if at is None:
            yield MessageDifference("new", message, None)
            continue
        yield from (MessageDifference("gone", None, other) for other in unmatched[:at])
        yield MessageDifference(
            "same" if _whole(message) == _whole(unmatched[at]) else "changed", message, unmatched[at]
        )
        del unmatched[: at + 1]
    yield from (MessageDifference("gone", None, other) for other in unmatched)


def _whole(message: Mapping[str, Any]) -> tuple[Any, ...]:
    return message["role"], message["slot"], message["name"], message["content"]


def _place(message: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where a message stands: a stored message is only ever itself, another fills its slot."""
    return message["slot"], message["role"], message["message_id"]


def compare_texts(before: str, now: str) -> Iterator[tuple[Mark, str]]:
    """The lines of both texts in order: same, gone or new.

    Lines that a long text repeats, such as empty ones between paragraphs, are no anchors (`autojunk`):
    with them the time grows with the cube of the lines.
    """
    old, new = before.split("\n"), now.split("\n")
    if max(len(old), len(new)) > MOST_LINES:
        yield "gone", before
        yield "new", now
        return
    for kind, first, last, start, end in SequenceMatcher(None, old, new).get_opcodes():
        if kind == "equal":
            yield from (("same", line) for line in new[start:end])
            continue
        yield from (("gone", line) for line in old[first:last])
        yield from (("new", line) for line in new[start:end])


def compare_entries(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[tuple[str, str], Mark]:
    """Worldbook entries that fired now or before, by book and uid."""
    fired = [{_entry(entry) for entry in record["worldbook"]["activated"]} for record in (now, before)]
    here, there = fired
    return {entry: "same" if entry in there else "new" for entry in here} | dict.fromkeys(
        there - here, "gone"
    )


def _entry(entry: Mapping[str, Any]) -> tuple[str, str]:
    return str(entry["book"]), str(entry["uid"])
