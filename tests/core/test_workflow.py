"""The engine of a turn: order, events, cancellation, errors."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from lunalux_core.dialogue.turn import TextDelta
from lunalux_core.dialogue.workflow import Node, TurnContext, Workflow


async def parse(value: str, _: TurnContext) -> int:
    return int(value)


async def tell_twice(value: int, context: TurnContext) -> int:
    context.tell(TextDelta("a"))
    await asyncio.sleep(0)
    context.tell(TextDelta("b"))
    return value * 2


async def test_events_come_before_the_result_and_in_order() -> None:
    line = Workflow.start(parse).then(tell_twice)
    assert [step async for step in line.stream("21")] == [TextDelta("a"), TextDelta("b"), 42]
    assert await line.run("1", TurnContext()) == 2


async def test_a_rare_node_is_loaded_and_run_only_for_values_that_need_it() -> None:
    loaded = []

    def load() -> Node[int, int]:
        loaded.append("twice")
        return tell_twice

    line = Workflow.start(parse).where(lambda value: value > 9, load).then(tell_twice)
    assert [step async for step in line.stream("2")] == [TextDelta("a"), TextDelta("b"), 4]
    assert not loaded
    told = [TextDelta("a"), TextDelta("b")]
    assert [step async for step in line.stream("21")] == [*told, *told, 84]
    assert loaded == ["twice"]


async def test_an_error_of_a_node_is_raised_after_its_events() -> None:
    async def fail(value: int, context: TurnContext) -> int:
        context.tell(TextDelta("last words"))
        raise ValueError("no")

    seen = []
    with pytest.raises(ValueError, match="no"):
        async for step in Workflow.start(parse).then(fail).stream("1"):
            seen.append(step)
    assert seen == [TextDelta("last words")]


async def test_closing_the_stream_cancels_the_node() -> None:
    cancelled = asyncio.Event()

    async def wait(value: int, context: TurnContext) -> int:
        context.tell(TextDelta("waiting"))
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return value

    async with aclosing(Workflow.start(parse).then(wait).stream("1")) as steps:
        assert await anext(steps) == TextDelta("waiting")
    assert cancelled.is_set()
