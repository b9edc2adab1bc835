"""What a script that is run in the prompt can do: to the open conversation, to the prompt, and ask."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol, cast

from lunalux_core.errors import LunaluxError
from lunalux_tui.chat.view import Asker
from lunalux_tui.i18n import t, tell

if TYPE_CHECKING:
    from lunalux_core.dialogue.direction import Direction, Voice
    from lunalux_core.dialogue.turn import TurnEvent, TurnOptions
    from lunalux_core.library.conversations import Message
    from lunalux_core.runtime import Runtime
    from lunalux_core.stscript.host import AppCall
    from lunalux_core.stscript.interpreter import Setting
    from lunalux_core.stscript.scope import Stores
    from lunalux_tui.chat.opener import Opener

ASKING = ("input", "popup", "buttons")
LINES = ("send", "sendas", "sys", "comment", "roll")
TURNS = ("trigger", "continue", "regenerate", "swipe", "impersonate")
OFFERS = (*LINES, *TURNS, "setinput", "hide", "unhide", "messages", "memory", *ASKING)
"""Commands on the app that can be run in the prompt."""


class ScriptHostView(Asker, Protocol):
    """What a script needs of the screen."""

    def put_typed(self, text: str) -> None:
        """Put a text in the place of what stands in the prompt."""

    def notice(self, words: str, title: str, *, warn: bool = False) -> None:
        """A notice that takes nothing out of the status line."""

    def show_memories(self) -> None:
        """Open the pane of what is remembered."""

    async def take_turn(self, events: AsyncIterator[TurnEvent], *, impersonate: bool = False) -> None:
        """Run a turn to its end. Raises CancelledError when the person stops it."""


class ChatScriptHost:
    """The app as one script sees it (`stscript.host.Host`).

    Args:
        place: id of the conversation.
    """

    offers = OFFERS

    def __init__(
        self, runtime: Runtime, opener: Opener, view: ScriptHostView, place: str, setting: Setting
    ) -> None:
        self._runtime = runtime
        self._opener = opener
        self._view = view
        self._place = place
        self._setting = setting
        self._kept = (setting.local, setting.global_)
        self.stores: Stores | None = None
        """The variables of the script, once it runs."""
        self.shown = False
        """Whether it showed or did anything."""
        self._echoed = False
        self.failed = False
        """Whether a turn of it failed, which the transcript tells."""

    # -- what the interpreter asks for -------------------------------------------------------------

    async def echo(self, text: str, severity: str, title: str) -> None:
        warn = severity in {"warning", "error"}
        # The status line holds one text: a second one would take the first away unread.
        if self._echoed or title:
            self._view.notice(text, title or t("slash.popup"), warn=warn)
        else:
            self._view.say(text, warn=warn)
        self.shown = self._echoed = True

    async def quick_reply(self, name: str, named: Mapping[str, str]) -> str | None:
        from lunalux_core.stscript.quick_replies import named as find

        stored = await self._runtime.library.quick_replies.list()
        reply = find([reply_set.content for reply_set in stored], name)
        return None if reply is None else reply.message

    async def perform(self, call: AppCall) -> str:
        from lunalux_core.stscript.faults import Fault

        try:
            if call.name in ASKING:
                return await self._ask(call)
            self.shown = self.shown or call.name != "messages"
            if call.name in LINES:
                return await self._write(call)
            if call.name in TURNS:
                return await self._turn(call)
            if call.name == "memory":
                self._view.show_memories()
                return ""
            if call.name == "setinput":
                self._view.put_typed(call.text)
                return call.text
            return await (self._messages(call) if call.name == "messages" else self._hide(call))
        except LunaluxError as error:
            raise Fault("SCRIPT_REFUSED", reason=tell(error)[0]) from error

    # -- asking ------------------------------------------------------------------------------------

    async def _ask(self, call: AppCall) -> str:
        from lunalux_tui.parts.ask_dialog import AskDialog
        from lunalux_tui.parts.pick_dialog import PickDialog
        from lunalux_tui.parts.read_dialog import ReadDialog
        from lunalux_tui.parts.rows import Row

        if call.name == "popup":
            await self._view.ask(ReadDialog(t("slash.popup"), call.text))
            return call.text
        if call.name == "buttons":
            labels = _labels(call.named.get("labels", ""))
            if not labels:
                return ""
            rows = [Row(str(place), label) for place, label in enumerate(labels)]
            chosen = await self._view.ask(PickDialog(call.text, rows))
            return labels[int(chosen)] if chosen else ""
        default = call.named.get("default", "")
        return await self._view.ask(AskDialog(call.text, value=default)) or ""

    # -- lines -------------------------------------------------------------------------------------

    async def _write(self, call: AppCall) -> str:
        from lunalux_core.dialogue.direction import Voice

        if call.name == "roll":
            return await self._roll(call)
        name = call.named.get("name", "")
        match call.name:
            case "send":
                await self._say(call, call.text, Voice())
            case "sendas":
                await self._say(call, call.text, Voice("somebody", name))
            case "sys":
                await self._say(call, call.text, Voice("narrator", name))
            case _:
                line = await self._say(call, call.text, Voice("narrator", t("slash.comment")))
                await self._runtime.chat.hide(line.id)
                await self._opener.reload()
        return ""

    async def _say(self, call: AppCall, text: str, voice: Voice) -> Message:
        from lunalux_core.stscript.faults import Fault

        if at := call.named.get("at"):  # a line can only stand at the end
            raise Fault("SCRIPT_BAD_ARGUMENT", argument="at=", value=at)
        await self.keep_variables()
        options = replace(self._opener.chat.turn_options(), voice=voice)
        line, _ = await self._runtime.chat.say(self._place, text.strip(), options)
        await self._opener.reload(keep_place=False)
        return line

    async def _roll(self, call: AppCall) -> str:
        from lunalux_core.dialogue.direction import Voice
        from lunalux_core.stscript.dice import roll
        from lunalux_core.stscript.faults import Fault

        rolled = roll(call.text, self._setting.context.random)
        if rolled is None:
            raise Fault("SCRIPT_BAD_ARGUMENT", argument=t("slash.dice"), value=call.text)
        if call.named.get("quiet") != "true":
            who = self._setting.context.user
            told = t("slash.rolled", name=who, formula=rolled.formula, fallen=rolled.words)
            await self._say(call, told, Voice("narrator"))
        return str(rolled.total)

    # -- turns -------------------------------------------------------------------------------------

    async def _turn(self, call: AppCall) -> str:
        from lunalux_core.dialogue.direction import Direction

        wish, chat = Direction(call.text), self._runtime.chat
        if call.name == "trigger":
            wish = Direction()  # its text would name a member of a group
            return await self._run(chat.answer(self._place, self._options(wish)))
        if call.name == "continue":
            return await self._run(chat.continue_(self._place, self._options(wish)))
        if call.name == "impersonate":
            events = chat.impersonate(self._place, self._options(wish))
            return await self._run(events, impersonate=True)
        last = (await self._path())[-1:]
        if not last:
            return await self._run(chat.answer(self._place, self._options(wish)))
        kind: Literal["swipe", "regenerate"] = "swipe" if call.name == "swipe" else "regenerate"
        return await self._run(chat.regenerate(last[0].id, self._options(wish), kind))

    def _options(self, direction: Direction) -> TurnOptions:
        return replace(self._opener.chat.turn_options(), direction=direction)

    async def _run(self, events: AsyncIterator[TurnEvent], *, impersonate: bool = False) -> str:
        """Run a turn; one that fails ends the script, since what follows counts on its reply."""
        from lunalux_core.stscript.faults import Aborted

        await self.keep_variables()
        await self._view.take_turn(self._watched(events), impersonate=impersonate)
        if self.failed:
            raise Aborted("", quiet=True)
        return ""

    async def _watched(self, events: AsyncIterator[TurnEvent]) -> AsyncIterator[TurnEvent]:
        try:
            async with aclosing(cast("AsyncGenerator[TurnEvent, None]", events)) as steps:
                async for event in steps:
                    yield event
        except LunaluxError:
            self.failed = True
            raise

    # -- messages ----------------------------------------------------------------------------------

    async def _path(self) -> list[Message]:
        """All messages of the branch, oldest first."""
        conversations = self._runtime.library.conversations
        head = (await conversations.get(self._place)).head_id
        return list(await conversations.path(head)) if head else []

    async def _chosen(self, call: AppCall) -> list[Message]:
        """The messages that ``3`` or ``2-5`` means, counted from 0; the last one where nothing is written."""
        from lunalux_core.stscript.faults import Fault

        path, written = await self._path(), call.text.strip()
        first, dash, last = written.partition("-")
        if not written:
            return path[-1:]
        if not first.isdecimal() or (dash and not last.isdecimal()) or int(first) >= len(path):
            raise Fault("SCRIPT_BAD_ARGUMENT", argument=t("slash.range"), value=written)
        return path[int(first) : int(last if dash else first) + 1]

    async def _messages(self, call: AppCall) -> str:
        named = call.named.get("names", "on") != "off"
        chosen = await self._chosen(call)
        return "\n\n".join(
            f"{message.name}: {message.content}" if named else message.content for message in chosen
        )

    async def _hide(self, call: AppCall) -> str:
        for message in await self._chosen(call):
            await self._runtime.chat.hide(message.id, call.name == "hide")
        await self._opener.reload()
        return ""

    # -- variables ---------------------------------------------------------------------------------

    async def keep_variables(self) -> None:
        """Store what the script changed since the last time."""
        from lunalux_core.chat.script_setting import keep_variables

        if self.stores is None:
            return
        now = (self.stores.local.all(), self.stores.global_.all())
        local, global_ = (_changes(was, new) for was, new in zip(self._kept, now, strict=True))
        self._kept = now
        await keep_variables(self._runtime.library, self._place, local, global_)


def _changes(was: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str | None]:
    """New values by name; None for those that are gone."""
    gone: dict[str, str | None] = dict.fromkeys(name for name in was if name not in now)
    return gone | {name: value for name, value in now.items() if was.get(name) != value}


def _labels(written: str) -> list[str]:
    """The labels of /buttons: a JSON list of texts, or of objects with a text."""
    try:
        listed = json.loads(written)
    except (ValueError, RecursionError):
        return []
    if not isinstance(listed, list):
        return []
    texts = [label.get("text") if isinstance(label, dict) else label for label in listed]
    return [text for text in texts if isinstance(text, str) and text]
