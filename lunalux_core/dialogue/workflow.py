"""The engine of a turn: a typed sequence of nodes.

A node turns one value into the next; `then` only accepts a node that takes what the last one gives, so
a wrong order is a type error. `stream` runs it and yields the events that the nodes report.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from lunalux_core.dialogue.turn import TurnEvent
from lunalux_core.dialogue.turn_record import Trace

In = TypeVar("In")
Out = TypeVar("Out")
Next = TypeVar("Next")


@dataclass(slots=True)
class TurnContext:
    """What nodes may use beside their input: a way to tell the front end something (None ends it), and a
    place for what the record of the turn should hold.
    """

    events: asyncio.Queue[TurnEvent | None] = field(default_factory=asyncio.Queue)
    trace: Trace = field(default_factory=Trace)

    def tell(self, event: TurnEvent) -> None:
        self.events.put_nowait(event)

    def told(self) -> list[TurnEvent]:
        """The events so far, for a run without a listener."""
        events = []
        while not self.events.empty():
            event = self.events.get_nowait()
            if event is not None:
                events.append(event)
        return events


Node = Callable[[In, TurnContext], Awaitable[Out]]


class Workflow(Generic[In, Out]):
    """A line of nodes from In to Out."""

    def __init__(self, nodes: tuple[Node[Any, Any], ...]) -> None:
        self._nodes = nodes

    @classmethod
    def start(cls, node: Node[In, Out]) -> Workflow[In, Out]:
        return cls((node,))

    def then(self, node: Node[Out, Next]) -> Workflow[In, Next]:
        return Workflow((*self._nodes, node))

    def followed(self, line: Workflow[Out, Next]) -> Workflow[In, Next]:
        """This line and another after it."""
        return Workflow((*self._nodes, *line._nodes))

    async def run(self, value: In, context: TurnContext) -> Out:
        """Run the line to its end."""
        step: Any = value
        for node in self._nodes:
            step = await node(step, context)
        result: Out = step
        return result

    async def stream(self, value: In) -> AsyncGenerator[TurnEvent | Out, None]:
        """Run the line, yielding events as they are told and the result last.

        Closing the iterator cancels the node that is running. Errors of nodes are raised here.
        """
        context = TurnContext()
        line = asyncio.ensure_future(self.run(value, context))
        # A callback runs also for a line that failed or was cancelled, so the loop below always ends.
        line.add_done_callback(lambda _: context.events.put_nowait(None))
        try:
            while (event := await context.events.get()) is not None:
                yield event
            yield line.result()
        finally:
            if not line.done():
                line.cancel()
                # Until the node has really ended: its connection to the server must be closed before the
                # caller goes on.
                await asyncio.wait({line})
