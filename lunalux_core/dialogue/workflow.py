"""The engine of a turn: a typed sequence of nodes.

A node turns one value into the next; `then` only accepts a node that takes what the last one gives, so
a wrong order is a type error. `where` puts in a node that most turns have no use for. `stream` runs the line
and yields the events that the nodes report.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from lunalux_core.dialogue.turn import TurnEvent

In = TypeVar("In")
Out = TypeVar("Out")
Next = TypeVar("Next")

TextPlace = Literal["input", "history", "worldbook", "reply", "reasoning"]
MOST_PLACES = 40
"""Of the texts that one script changed, so many are named; all are counted."""


@dataclass(slots=True)
class Touch:
    """What one script changed: how many texts of one kind, and which (ids of messages, names of entries)."""

    script: str
    place: TextPlace
    times: int = 0
    texts: list[str] = field(default_factory=list)


class Trace:
    """Collects during a turn what only the nodes see.

    Args:
        explain: give a reason for every worldbook entry that stays away, not only for those that came near.
    """

    def __init__(self, *, explain: bool = False) -> None:
        self.explain = explain
        self.cut: tuple[str, ...] = ()
        """Texts of the card that were shortened for a small window."""
        self.memory: Callable[[], Mapping[str, Any]] = dict
        """Makes the account of the memories; called after the reply, and only if it is needed."""
        self.trackers: Callable[[bool], list[dict[str, Any]]] = lambda used: []
        """Gives the account of the trackers; False where the window had no room for them."""
        self.bank: Callable[[bool], Mapping[str, Any]] = lambda used: {}
        """Gives the account of the passages of documents, likewise."""
        self.room = True
        """Whether the window had room for what stands in the prompt beside the story itself."""
        self._touched: dict[tuple[str, TextPlace], Touch] = {}

    def touch(self, scripts: Iterable[str], place: TextPlace, text: str = "") -> None:
        """These scripts changed a text."""
        for script in scripts:
            touch = self._touched.setdefault((script, place), Touch(script, place))
            touch.times += 1
            if text and len(touch.texts) < MOST_PLACES:
                touch.texts.append(text)

    def begin_again(self) -> None:
        """The prompt is built anew from the person's words, which stay as they are."""
        self._touched = {key: touch for key, touch in self._touched.items() if touch.place == "input"}

    @property
    def touched(self) -> list[Touch]:
        """In the order of the first change."""
        return list(self._touched.values())


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


@dataclass(frozen=True, slots=True)
class _Rare:
    """A node of `Workflow.where`."""

    needed: Callable[[Any], bool]
    load: Callable[[], Node[Any, Any]]


class Workflow(Generic[In, Out]):
    """A line of nodes from In to Out."""

    def __init__(self, nodes: tuple[Node[Any, Any] | _Rare, ...]) -> None:
        self._nodes = nodes

    @classmethod
    def start(cls, node: Node[In, Out]) -> Workflow[In, Out]:
        return cls((node,))

    def then(self, node: Node[Out, Next]) -> Workflow[In, Next]:
        return Workflow((*self._nodes, node))

    def where(self, needed: Callable[[Out], bool], load: Callable[[], Node[Out, Out]]) -> Workflow[In, Out]:
        """A node for the turns that need it: the first of them loads it, for all others it is not there."""
        return Workflow((*self._nodes, _Rare(needed, load)))

    def followed(self, line: Workflow[Out, Next]) -> Workflow[In, Next]:
        """This line and another after it."""
        return Workflow((*self._nodes, *line._nodes))

    async def run(self, value: In, context: TurnContext) -> Out:
        """Run the line to its end."""
        step: Any = value
        for node in self._nodes:
            if not isinstance(node, _Rare):
                step = await node(step, context)
            elif node.needed(step):
                step = await node.load()(step, context)
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
