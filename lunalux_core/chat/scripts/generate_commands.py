"""Commands that ask a model beside the story: what it says goes into the pipe alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lunalux_core.chat.scripts.arguments import bad, listed, number, one_of
from lunalux_core.dialogue.direction import Direction

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.conversation_host import ConversationHost
    from lunalux_core.dialogue.turn import TurnOptions
    from lunalux_core.stscript.host import AppCall

MOST_TOKENS = 100_000
MOST_STOPS = 16


async def _gen(host: ConversationHost, call: AppCall) -> str:
    """What the model says to an instruction after the chat, or without one to the chat alone."""
    return await _quiet(host, call, _options(host, call, call.named.get("name", "")))


async def _ask(host: ConversationHost, call: AppCall) -> str:
    """What a character would say here: a member, or anybody of the library."""
    name = call.named.get("name", "").strip()
    if not name or not call.text.strip():
        raise bad("TEXT" if name else "name=", "")
    library = host.runtime.library
    place = await library.conversations.get(host.place)
    if place.group_id:
        return await _quiet(host, call, _options(host, call, name))
    return await _quiet(host, call, _options(host, call), (await library.characters.find(name)).id)


def _options(host: ConversationHost, call: AppCall, speaker: str = "") -> TurnOptions:
    options = host.surface.options()
    depth = number(call, "depth", 0, low=0, high=10_000)
    length = number(call, "length", 0, low=0, high=MOST_TOKENS)
    wishes: dict[str, Any] = {**options.parameters, **({"max_tokens": length} if length else {})}
    # One reply, because the pipe takes one text, even if the person has several made at once.
    return replace(
        options, direction=Direction(call.text, depth), speaker=speaker, parameters=wishes, replies=1
    )


async def _quiet(host: ConversationHost, call: AppCall, options: TurnOptions, character_id: str = "") -> str:
    host.ask_a_model()
    await host.keep_variables()
    return await host.runtime.chat.unstored.quiet(host.place, options, character_id)


async def _genraw(host: ConversationHost, call: AppCall) -> str:
    """What the model says to a text without card and chat; system= stands before it, prefill= begins the
    reply."""
    from lunalux_core.chat.raw_request import raw_reply
    from lunalux_core.llm.model import Message, Role

    if not call.text.strip():
        raise bad("TEXT", "")
    host.ask_a_model()
    runtime, options = host.runtime, host.surface.options()
    choice = await runtime.chat.previews.choice(host.place, options=options)
    role: Role = "user" if one_of(call, "as", ("user", "char", "system"), "user") != "system" else "system"
    system, prefill = call.named.get("system", ""), call.named.get("prefill", "")
    messages = [Message("system", system)] if system else []
    messages.append(Message(role, call.text))
    if prefill:
        messages.append(Message("assistant", prefill))
    stops = tuple(listed(call.named.get("stop", "")))[:MOST_STOPS]
    length = number(call, "length", 0, low=0, high=MOST_TOKENS)
    return await raw_reply(
        runtime.models,
        choice.model,
        messages,
        runtime.charged,
        max_tokens=length or runtime.settings.reply_tokens,
        stop=stops,
    )


COMMANDS = {"gen": _gen, "genraw": _genraw, "ask": _ask}
