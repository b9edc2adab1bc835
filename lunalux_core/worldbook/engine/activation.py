"""The entry point of the worldbook engine: runs one scan over books, chat and settings."""

from __future__ import annotations

from collections.abc import Sequence

from lunalux_core.worldbook.engine.admission import Admission, budget_of
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
from lunalux_core.worldbook.engine.engine_results import Activation
from lunalux_core.worldbook.engine.filters import Screening
from lunalux_core.worldbook.engine.placement import place
from lunalux_core.worldbook.engine.scan import Scan
from lunalux_core.worldbook.engine.timed_effects import TimedEffects


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
