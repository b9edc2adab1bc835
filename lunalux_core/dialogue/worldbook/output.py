"""Where the texts of the entries that fired go (FORMATS 2.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lunalux_core.cards.worldbook import (
    AFTER,
    AT_DEPTH,
    BEFORE,
    EXAMPLES_BOTTOM,
    EXAMPLES_TOP,
    NOTE_BOTTOM,
    NOTE_TOP,
    OUTLET,
    Entry,
)
from lunalux_core.dialogue.worldbook.values import (
    ROLES,
    Activated,
    Activation,
    DepthEntry,
    Skipped,
    TimedState,
    Tools,
)
from lunalux_core.llm.model import Role

DEFAULT_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Fired:
    """An entry that was taken, with its expanded text."""

    book: str
    entry: Entry
    content: str
    pass_number: int
    key: str
    reason: str
    roll: float | None
    message: int | None


def place(
    fired: Sequence[Fired],
    skipped: tuple[Skipped, ...],
    tools: Tools,
    *,
    overflowed: bool,
    timed: TimedState,
) -> Activation:
    """Put every text into its bucket: ascending by `order`, ties reversed, as SillyTavern does it."""
    # Highest order first, then each is put at the front of its bucket.
    falling = sorted(fired, key=lambda one: -one.entry.order)
    texts = [(one, tools.transform(one.entry, one.content)) for one in falling]
    rising = [(one, text) for one, text in reversed(texts) if text]

    def bucket(position: int) -> list[str]:
        return [text for one, text in rising if one.entry.position == position]

    depths: dict[tuple[int | None, Role], list[str]] = {}
    for one, text in reversed(rising):
        if one.entry.position == AT_DEPTH:
            depths.setdefault((one.entry.depth, ROLES[one.entry.role]), []).insert(0, text)
    outlets: dict[str, list[str]] = {}
    for one, text in reversed(rising):
        if one.entry.position == OUTLET and one.entry.outlet_name:
            outlets.setdefault(one.entry.outlet_name, []).append(text)
    records = {id(one): _record(one, text, tools) for one, text in texts}
    return Activation(
        activated=tuple(records[id(one)] for one, _ in reversed(texts)),
        fired=tuple(records[id(one)] for one in fired),
        skipped=skipped,
        before="\n".join(bucket(BEFORE)),
        after="\n".join(bucket(AFTER)),
        note_top="\n".join(bucket(NOTE_TOP)),
        note_bottom="\n".join(bucket(NOTE_BOTTOM)),
        at_depth=tuple(DepthEntry(depth, role, tuple(found)) for (depth, role), found in depths.items()),
        examples_top=tuple(bucket(EXAMPLES_TOP)),
        examples_bottom=tuple(bucket(EXAMPLES_BOTTOM)),
        outlets={name: "\n".join(found) for name, found in outlets.items()},
        tokens=sum(record.tokens for record in records.values()),
        overflowed=overflowed,
        timed=timed,
    )


def _record(one: Fired, text: str, tools: Tools) -> Activated:
    entry = one.entry
    return Activated(
        uid=entry.uid,
        book=one.book,
        comment=entry.comment,
        order=entry.order,
        position=entry.position,
        depth=DEFAULT_DEPTH if entry.depth is None else entry.depth,
        role=ROLES[entry.role],
        pass_number=one.pass_number,
        key=one.key,
        reason=one.reason,
        tokens=tools.count_tokens(text),
        content=text,
        roll=one.roll,
        message=one.message,
    )
