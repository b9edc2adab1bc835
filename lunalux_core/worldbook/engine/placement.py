"""Where the texts of the entries that fired go.

See docs/spec/formats.md: Placement.
"""

from __future__ import annotations

from collections.abc import Sequence

from lunalux_core.documents.prompt_values import Role
from lunalux_core.worldbook.engine.admission import Fired
from lunalux_core.worldbook.engine.inputs import TimedState, Tools
from lunalux_core.worldbook.engine.results import ROLES, Activated, Activation, DepthEntry, Skipped
from lunalux_core.worldbook.read import (
    AFTER,
    AT_DEPTH,
    BEFORE,
    DEFAULT_DEPTH,
    EXAMPLES_BOTTOM,
    EXAMPLES_TOP,
    NOTE_BOTTOM,
    NOTE_TOP,
    OUTLET,
)


def place(
    fired: Sequence[Fired], skipped: tuple[Skipped, ...], tools: Tools, *, overflowed: bool, timed: TimedState
) -> Activation:
    """Put every text into its bucket: rising by `order`, entries of one order the last taken first."""
    falling = sorted(fired, key=lambda one: -one.taken.candidate.entry.order)
    made = {id(one): _activated(one, tools) for one in falling}
    rising = [made[id(one)] for one in reversed(falling)]
    texts = [one for one in rising if one.content]

    def bucket(position: int) -> tuple[str, ...]:
        return tuple(one.content for one in texts if one.position == position)

    return Activation(
        activated=tuple(rising),
        fired=tuple(made[id(one)] for one in fired),
        skipped=skipped,
        before="\n".join(bucket(BEFORE)),
        after="\n".join(bucket(AFTER)),
        note_top="\n".join(bucket(NOTE_TOP)),
        note_bottom="\n".join(bucket(NOTE_BOTTOM)),
        at_depth=_depths(texts),
        examples_top=bucket(EXAMPLES_TOP),
        examples_bottom=bucket(EXAMPLES_BOTTOM),
        outlet_texts=_outlets(texts),
        tokens=sum(one.tokens for one in texts),
        overflowed=overflowed,
        timed=timed,
    )


def _activated(one: Fired, tools: Tools) -> Activated:
    candidate, entry = one.taken.candidate, one.taken.candidate.entry
    text = tools.transform(entry, one.content)
    return Activated(
        uid=entry.uid,
        book=candidate.book,
        comment=entry.comment,
        order=entry.order,
        position=entry.position,
        depth=DEFAULT_DEPTH if entry.depth is None else entry.depth,
        role=ROLES[entry.role],
        pass_number=one.pass_number,
        key=one.taken.key,
        reason=one.taken.reason,
        tokens=tools.count_tokens(text) if text else 0,
        content=text,
        roll=one.roll,
        message=one.message,
        entry=entry,
    )


def _depths(rising: Sequence[Activated]) -> tuple[DepthEntry, ...]:
    """Texts at depth, one block for each depth and role; blocks in the order SillyTavern finds them."""
    blocks: dict[tuple[int, Role], list[str]] = {}
    for one in reversed(rising):
        if one.position == AT_DEPTH:
            blocks.setdefault((one.depth, one.role), []).append(one.content)
    return tuple(DepthEntry(depth, role, tuple(reversed(texts))) for (depth, role), texts in blocks.items())


def _outlets(rising: Sequence[Activated]) -> dict[str, tuple[str, ...]]:
    """Texts of outlets by name, unlike all others by falling order."""
    named: dict[str, list[str]] = {}
    for one in reversed(rising):
        if one.position == OUTLET and one.entry is not None and one.entry.outlet_name:
            named.setdefault(one.entry.outlet_name, []).append(one.content)
    return {name: tuple(texts) for name, texts in named.items()}
