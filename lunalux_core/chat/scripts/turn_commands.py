"""Commands that have a reply made, as the person's own keys do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, cast

from lunalux_core.chat.scripts.arguments import one_of
from lunalux_core.dialogue.direction import Direction
from lunalux_core.errors import LunaluxError
from lunalux_core.stscript.faults import Aborted, Fault

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.dialogue.direction import Person
    from lunalux_core.dialogue.turn import TurnEvent, TurnOptions
    from lunalux_core.stscript.host import AppCall


async def _trigger(host: ConversationHost, call: AppCall) -> str:
    """A reply; in a group that of a member (its name, or its number from 0), else of whose turn it is."""
    chat, options = host.runtime.chat, host.surface.options()
    named = call.text.strip()
    group_id = (await host.runtime.library.conversations.get(host.place)).group_id
    if not (group_id and named):
        return await _run(host, chat.answer(host.place, options))
    group = await host.runtime.library.groups.get(group_id)
    if named.isascii() and named.isdecimal() and int(named[:6]) < len(group.members):
        named = group.members[int(named)].character_id
    return await _run(host, chat.speak(host.place, replace(options, speaker=named)))


async def _continue(host: ConversationHost, call: AppCall) -> str:
    return await _run(host, host.runtime.chat.continue_(host.place, _directed(host, call)))


async def _impersonate(host: ConversationHost, call: AppCall) -> str:
    options = _directed(host, call)
    person = cast("Person", one_of(call, "person", ("", "first", "second", "third"), ""))
    options = replace(options, direction=replace(options.direction, person=person))
    events = host.runtime.chat.impersonate(host.place, options)
    return await _run(host, events, impersonate=True)


async def _regenerate(host: ConversationHost, call: AppCall) -> str:
    return await _again(host, call, "regenerate")


async def _swipe(host: ConversationHost, call: AppCall) -> str:
    return await _again(host, call, "swipe")


async def _again(host: ConversationHost, call: AppCall, kind: Literal["swipe", "regenerate"]) -> str:
    chat, options = host.runtime.chat, _directed(host, call)
    last = (await host.path())[-1:]
    if not last:
        return await _run(host, chat.answer(host.place, options))
    return await _run(host, chat.regenerate(last[0].id, options, kind))


def _directed(host: ConversationHost, call: AppCall) -> TurnOptions:
    return replace(host.surface.options(), direction=Direction(call.text))


async def _run(host: ConversationHost, events: AsyncIterator[TurnEvent], *, impersonate: bool = False) -> str:
    """Run a turn; one that fails ends the script, since what follows counts on its reply."""
    if not host.turns:
        raise Fault("SCRIPT_REPLY_COMING")
    host.ask_a_model()
    await host.keep_variables()
    await host.surface.take_turn(_watched(host, events), impersonate=impersonate)
    # The person was told of it as the turn ended.
    if host.failed:
        raise Aborted("", quiet=True)
    return ""


async def _watched(host: ConversationHost, events: AsyncIterator[TurnEvent]) -> AsyncIterator[TurnEvent]:
    try:
        async with aclosing(cast("AsyncGenerator[TurnEvent, None]", events)) as steps:
            async for event in steps:
                yield event
    except LunaluxError:
        host.failed = True
        raise


COMMANDS = {
    "trigger": _trigger,
    "continue": _continue,
    "regenerate": _regenerate,
    "swipe": _swipe,
    "impersonate": _impersonate,
}
