"""The entry point of the worldbook engine: runs one scan over books, chat and settings, and puts the texts
of the entries that fired where they go.

See docs/spec/formats.md: Placement.
"""

from __future__ import annotations

from collections.abc import Sequence

from lunalux_core.documents.prompt_values import Role
from lunalux_core.worldbook.engine.admission import Admission, AdmittedEntry, budget_of
from lunalux_core.worldbook.engine.buffer import Buffer
from lunalux_core.worldbook.engine.candidates import candidates, named
from lunalux_core.worldbook.engine.engine_inputs import (
    ActiveBook,
    ScanContext,
    ScanMessage,
    TimedState,
    Tools,
    WorldbookSettings,
)
from lunalux_core.worldbook.engine.engine_results import ROLES, Activated, Activation, DepthEntry, Skipped
from lunalux_core.worldbook.engine.filters import Screening
from lunalux_core.worldbook.engine.scan import Scan
from lunalux_core.worldbook.engine.timed_effects import TimedEffects
from lunalux_core.worldbook.entry import (
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


def activate(
    books: Sequence[ActiveBook],
    chat: Sequence[ScanMessage],
    settings: WorldbookSettings,
    context: ScanContext,
    tools: Tools,
    timed: TimedState = TimedState(),
    *,
    explain: bool = False,
) -> Activation:
    """Which entries fire on this chat, what text they bring where, and why others do not.

    A function of its arguments: nothing is kept between calls, and equal dice give equal results.

    Args:
        chat: oldest first, without hidden messages.
        timed: effects of this branch; the new ones are in the result.
        explain: give a reason for every entry that stays away, not only for those that came near.
    """
    entries = candidates(books, settings)
    length = len(chat) if context.chat_length is None else context.chat_length
    effects = TimedEffects(timed, entries, length)
    replies = context.replies
    if replies is None:
        replies = sum(not message.is_user for message in chat)
    scan = Scan(
        entries,
        Buffer(chat, settings, context),
        Screening(context, effects, settings.recursive, replies),
        Admission(tools, budget_of(settings, context.max_context), _caps(books)),
        settings,
        tools,
    )
    # These fire without a key, so the index of keys would never name them.
    if forced := context.forced | effects.sticky:
        scan.index.always |= {candidate.place for candidate in entries if candidate.identity in forced}
    scan.run()
    # A preview must not begin effects: it is not part of the story.
    if not context.dry:
        effects.start(fired.taken.candidate for fired in scan.fired.values())
    return place(
        scan.records(),
        scan.skipped(explain),
        tools,
        overflowed=scan.admission.overflowed,
        timed=timed if context.dry else effects.state(),
    )


def _caps(books: Sequence[ActiveBook]) -> dict[str, int]:
    return {
        name: active.book.token_budget
        for name, active in named(books)
        if active.own_settings and active.book.token_budget is not None
    }


def place(
    fired: Sequence[AdmittedEntry],
    skipped: tuple[Skipped, ...],
    tools: Tools,
    *,
    overflowed: bool,
    timed: TimedState,
) -> Activation:
    """Put every text into its bucket: rising by `order`, entries of one order the last taken first."""
    # Sorted falling and then reversed, not sorted rising: entries of one order must come out in reverse of
    # how they fired.
    falling = sorted(fired, key=lambda entry: -entry.taken.candidate.entry.order)
    activated = {id(entry): _activated(entry, tools) for entry in falling}
    rising = [activated[id(entry)] for entry in reversed(falling)]
    texts = [entry for entry in rising if entry.content]

    def bucket(position: int) -> tuple[str, ...]:
        return tuple(text.content for text in texts if text.position == position)

    return Activation(
        activated=tuple(rising),
        fired=tuple(activated[id(entry)] for entry in fired),
        skipped=skipped,
        before="\n".join(bucket(BEFORE)),
        after="\n".join(bucket(AFTER)),
        note_top="\n".join(bucket(NOTE_TOP)),
        note_bottom="\n".join(bucket(NOTE_BOTTOM)),
        at_depth=_depths(texts),
        examples_top=bucket(EXAMPLES_TOP),
        examples_bottom=bucket(EXAMPLES_BOTTOM),
        outlet_texts=_outlets(texts),
        tokens=sum(text.tokens for text in texts),
        overflowed=overflowed,
        timed=timed,
    )


def _activated(fired: AdmittedEntry, tools: Tools) -> Activated:
    candidate, entry = fired.taken.candidate, fired.taken.candidate.entry
    text = tools.transform(entry, fired.content)
    return Activated(
        uid=entry.uid,
        book=candidate.book,
        comment=entry.comment,
        order=entry.order,
        position=entry.position,
        depth=DEFAULT_DEPTH if entry.depth is None else entry.depth,
        role=ROLES[entry.role],
        pass_number=fired.pass_number,
        key=fired.taken.key,
        reason=fired.taken.reason,
        tokens=tools.count_tokens(text) if text else 0,
        content=text,
        roll=fired.roll,
        message=fired.message,
        entry=entry,
    )


def _depths(rising: Sequence[Activated]) -> tuple[DepthEntry, ...]:
    """Texts at depth, one block for each depth and role; blocks in the order SillyTavern finds them."""
    blocks: dict[tuple[int, Role], list[str]] = {}
    for text in reversed(rising):
        if text.position == AT_DEPTH:
            blocks.setdefault((text.depth, text.role), []).append(text.content)
    return tuple(DepthEntry(depth, role, tuple(reversed(texts))) for (depth, role), texts in blocks.items())


def _outlets(rising: Sequence[Activated]) -> dict[str, tuple[str, ...]]:
    """Texts of outlets by name, unlike all others by falling order."""
    named: dict[str, list[str]] = {}
    for text in reversed(rising):
        if text.position == OUTLET and text.entry is not None and text.entry.outlet_name:
            named.setdefault(text.entry.outlet_name, []).append(text.content)
    return {name: tuple(texts) for name, texts in named.items()}
