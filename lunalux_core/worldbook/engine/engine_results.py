"""What the worldbook engine gives: what fired, why, and where the texts go.

See docs/spec/formats.md: Placement, Worldbook departures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lunalux_core.documents.prompt_values import Role
from lunalux_core.worldbook.engine.engine_inputs import TimedState
from lunalux_core.worldbook.entry import Entry

ROLES: tuple[Role, ...] = ("system", "user", "assistant")
"""Names for the numbers of `Entry.role`."""


@dataclass(frozen=True, slots=True)
class Activated:
    """An entry that fired, and why.

    `pass_number` counts from 1. `key` is the key as it stands in the entry, "" where none was needed;
    `message` is how many messages from the newest it was found, None where it was not in a message.
    `reason` is key, constant, sticky, decorator or forced. `roll` (0 to 100) is None without probability.
    """

    uid: int | str
    book: str
    comment: str
    order: float
    position: int
    depth: int
    role: Role
    pass_number: int
    key: str
    reason: str
    tokens: int
    content: str
    roll: float | None = None
    message: int | None = None
    entry: Entry | None = field(default=None, compare=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        return {
            "uid": self.uid,
            "book": self.book,
            "comment": self.comment,
            "order": self.order,
            "position": self.position,
            "depth": self.depth,
            "role": self.role,
            "pass": self.pass_number,
            "key": self.key,
            "reason": self.reason,
            "tokens": self.tokens,
            "content": self.content,
            "roll": self.roll,
            "message": self.message,
            **({"automation_id": own} if (own := self.entry.automation_id if self.entry else "") else {}),
        }


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that did not fire although its keys or settings called it up, and the reason.

    `reason` is one of: trigger, character_filter, delay, cooldown, needs_recursion, exclude_recursion,
    decorator, secondary_keys, additional_keys, exclude_keys, group_sticky, group_score, group_taken,
    group_lost, probability, budget, book_budget; and where everything is to be explained, also disabled,
    no_keys, no_key.
    """

    uid: int | str
    book: str
    comment: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        return {"uid": self.uid, "book": self.book, "comment": self.comment, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class DepthEntry:
    """Texts for one place in the history: `depth` messages before its end, in this role."""

    depth: int
    role: Role
    contents: tuple[str, ...]

    @property
    def content(self) -> str:
        return "\n".join(self.contents)


@dataclass(frozen=True, slots=True)
class Activation:
    """The outcome of one scan.

    `activated` is in the order the texts stand in (rising `order`), `fired` in the order the entries were
    taken. `tokens` counts the texts; `overflowed` says that the budget kept entries out. `timed` is the new
    state of the branch.
    """

    activated: tuple[Activated, ...] = ()
    fired: tuple[Activated, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    before: str = ""
    after: str = ""
    note_top: str = ""
    note_bottom: str = ""
    at_depth: tuple[DepthEntry, ...] = ()
    examples_top: tuple[str, ...] = ()
    examples_bottom: tuple[str, ...] = ()
    outlet_texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tokens: int = 0
    overflowed: bool = False
    timed: TimedState = field(default_factory=TimedState)

    @property
    def outlets(self) -> dict[str, str]:
        """What ``{{outlet::name}}`` gives."""
        return {name: "\n".join(texts) for name, texts in self.outlet_texts.items()}

    def as_json(self) -> dict[str, Any]:
        """The record for an inspector: what fired and what did not, and why."""
        return {
            "activated": [entry.as_json() for entry in self.activated],
            "skipped": [entry.as_json() for entry in self.skipped],
            "tokens": self.tokens,
            "overflowed": self.overflowed,
        }
