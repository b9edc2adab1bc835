"""Quick replies that run by themselves never run for ever, whatever sets what off."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from lunalux_core.chat.scripts.automation import DEEPEST, MOST_RUNS, Automation
from lunalux_core.library.quick_replies import StoredSet
from lunalux_core.stscript.quick_reply_files import MOMENTS, QuickReply, read_set

NAMES = list(MOMENTS)


def made(marks: list[tuple[set[str], bool]], automatic: bool | None = True) -> StoredSet:
    replies = [
        {"id": place, "label": str(place), "message": "/x", **dict.fromkeys(names, True)}
        | {"preventAutoExecute": prevents}
        for place, (names, prevents) in enumerate(marks)
    ]
    return StoredSet("s", read_set({"qrList": replies}, "s"), automatic)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sets(st.sampled_from(NAMES), max_size=4), st.booleans()), max_size=12),
    st.data(),
)
def test_chains_of_replies_are_bounded(marks: list[tuple[set[str], bool]], data: st.DataObject) -> None:
    running: list[int] = []
    ran: list[int] = []
    deepest = 0

    async def run(reply: QuickReply, turns: bool) -> bool:
        nonlocal deepest
        assert reply.id not in running
        running.append(reply.id)
        ran.append(reply.id)
        deepest = max(deepest, len(running))
        for moment in sorted(MOMENTS.values()):
            if data.draw(st.booleans()):
                await automation.fire(moment)
        running.pop()
        return True

    automation = Automation(run)
    automation.follow([made(marks)])
    asyncio.run(automation.fire("reply"))
    assert len(ran) <= MOST_RUNS and deepest <= DEEPEST


def test_a_set_that_is_not_allowed_and_one_that_is_held_run_nothing() -> None:
    ran: list[str] = []

    async def run(reply: QuickReply, turns: bool) -> bool:
        ran.append(reply.label)
        return True

    automation = Automation(run)
    for automatic in (None, False):
        automation.follow([made([({"executeOnAi"}, True)], automatic)])
        assert not automation.waits_for("reply")
        asyncio.run(automation.fire("reply"))
    automation.follow([made([({"executeOnAi"}, True)])])
    with automation.quiet(QuickReply(9, "x", "", "/x")):
        asyncio.run(automation.fire("reply"))
    assert ran == []
    asyncio.run(automation.fire("reply"))
    assert ran == ["0"]
