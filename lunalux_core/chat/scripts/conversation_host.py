"""The open conversation as one script sees it (`stscript.host.Host`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lunalux_core.errors import LunaluxError
from lunalux_core.stscript.faults import Fault

if TYPE_CHECKING:
    from lunalux_core.chat.scripts.surface import Surface
    from lunalux_core.library.conversations import Message
    from lunalux_core.runtime import Runtime
    from lunalux_core.stscript.host import AppCall
    from lunalux_core.stscript.interpreter import Setting
    from lunalux_core.stscript.quick_reply_files import QuickReplySet
    from lunalux_core.stscript.scope import Stores

MOST_ASKED = 50
"""Times that one script may ask a model: each may cost money, and a loop would ask for ever."""

ASKING = ("input", "popup", "buttons")
_SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "question_commands": (*ASKING, "setinput", "help"),
    "line_commands": ("send", "sendas", "sys", "comment", "roll"),
    "turn_commands": ("trigger", "continue", "regenerate", "swipe", "impersonate"),
    "generate_commands": ("gen", "genraw", "ask"),
    "prompt_text_commands": ("inject", "flushinject", "listinjects", "ooc"),
    "message_commands": (
        *("hide", "unhide", "messages", "delete-swipe", "count", "tokens", "trimtokens", "scene"),
        *("branch-create", "checkpoint-create"),
    ),
    "cut_commands": ("cut", "delmode", "delname", "addswipe"),
    "chat_commands": ("newchat", "getchatname", "renamechat", "char-find"),
    "member_commands": (
        *("member-enable", "member-disable", "member-add", "member-remove", "member-count"),
        *("member-get", "member-up", "member-down"),
    ),
    "active_book_commands": ("getchatbook", "getcharbook", "getpersonabook", "getglobalbooks"),
    "library_commands": (
        *("world", "getentryfield", "setentryfield", "createentry", "findentry"),
        *("qr-set", "regex", "regex-toggle"),
    ),
    "quick_reply_commands": (
        *("qr-list", "qr-set-list", "qr-get", "qr-create", "qr-update"),
        *("qr-contextadd", "qr-contextdel", "qr-contextclear", "qr-set-create", "qr-set-update"),
        *("qr-set-on", "qr-set-off", "qr-chat-set", "qr-chat-set-on", "qr-chat-set-off"),
    ),
    "tag_and_note_commands": (
        *("tag-add", "tag-remove", "tag-exists", "tag-list"),
        *("note", "note-depth", "note-frequency", "note-position", "note-role"),
    ),
    "choice_commands": ("persona", "model", "preset", "profile"),
    "pane_commands": ("memory",),
}
OFFERS = tuple(name for names in _SUBJECTS.values() for name in names)
"""Every command on the app."""
PANES = _SUBJECTS["pane_commands"]
_MODULES = {name: module for module, names in _SUBJECTS.items() for name in names}
_SILENT = frozenset(
    {
        *("messages", "count", "tokens", "listinjects", "getentryfield", "findentry", "gen", "genraw", "ask"),
        *("qr-list", "qr-set-list", "qr-get", "tag-exists", "tag-list", "regex", "ooc", "trimtokens"),
        *(
            "getchatname",
            "char-find",
            "member-get",
            "member-count",
            "getcharbook",
            "getpersonabook",
            "getglobalbooks",
        ),
    }
)
"""Commands that only give something: what they give is told where the script does nothing else."""

Perform = Callable[["ConversationHost", "AppCall"], Awaitable[str]]


class ConversationHost:
    """What a script can do to a conversation.

    Args:
        place: id of the conversation.
        turns: whether it may have replies made; not while one is being made.
    """

    def __init__(
        self, runtime: Runtime, surface: Surface, place: str, setting: Setting, *, turns: bool = True
    ) -> None:
        self.runtime = runtime
        self.surface = surface
        self.place = place
        self.setting = setting
        self.turns = turns
        self._kept: tuple[Mapping[str, Any], Mapping[str, Any]] = (setting.local, setting.global_)
        self.stores: Stores | None = None
        """The variables of the script, once it runs."""
        self.shown = False
        """Whether it showed or did anything."""
        self.failed = False
        """Whether a turn of it failed, which is told already."""
        self._asked = 0

    @property
    def offers(self) -> tuple[str, ...]:
        asks, panes = self.surface.asks, self.surface.panes
        return tuple(
            name for name in OFFERS if (asks or name not in ASKING) and (name not in PANES or name in panes)
        )

    async def echo(self, text: str, severity: str, title: str) -> None:
        await self.surface.echo(text, severity, title)
        self.shown = True

    async def quick_reply(self, name: str, named: Mapping[str, str]) -> str | None:
        from lunalux_core.stscript.quick_reply_files import named as find

        reply = find(await self.sets(), name)
        return None if reply is None else reply.message

    async def sets(self) -> list[QuickReplySet]:
        """All sets of quick replies; /run looks in them in this order."""
        return [stored.content for stored in await self.runtime.library.quick_replies.list()]

    async def perform(self, call: AppCall) -> str:
        # Most scripts use one subject or two: the others are never loaded.
        module = import_module(f"lunalux_core.chat.scripts.{_MODULES[call.name]}")
        perform: Perform = module.COMMANDS[call.name]
        self.shown = self.shown or call.name not in _SILENT
        try:
            return await perform(self, call)
        except LunaluxError as error:
            raise Fault("SCRIPT_REFUSED", reason=self.surface.told(error)) from error

    def ask_a_model(self) -> None:
        """Count one more request. Raises Fault (SCRIPT_TOO_MANY_REPLIES)."""
        self._asked += 1
        if self._asked > MOST_ASKED:
            raise Fault("SCRIPT_TOO_MANY_REPLIES", limit=MOST_ASKED)

    async def path(self) -> list[Message]:
        """All messages of the branch, oldest first."""
        conversations = self.runtime.library.conversations
        head = (await conversations.get(self.place)).head_id
        return list(await conversations.path(head)) if head else []

    async def keep_variables(self) -> None:
        """Store what the script changed since the last time."""
        from lunalux_core.chat.script_setting import keep_variables

        if self.stores is None:
            return
        now = (self.stores.local.all(), self.stores.global_.all())
        # Only what the script changed: a turn that it asked for may have set other variables since.
        local, global_ = (_changes(was, new) for was, new in zip(self._kept, now, strict=True))
        self._kept = now
        await keep_variables(self.runtime.library, self.place, local, global_)

    async def keep_all_variables(self) -> None:
        """Store the variables of the chat where it ends now: the message that had them has gone."""
        from lunalux_core.chat.script_setting import keep_variables

        if self.stores is not None:
            local = self.stores.local.all()
            await keep_variables(self.runtime.library, self.place, local, {}, anew=True)

    async def move_to(self, conversation_id: str) -> None:
        """Let the rest of the script work on another chat, with that one's variables."""
        from lunalux_core.chat.script_setting import script_setting

        await self.keep_variables()
        self.place = conversation_id
        setting = await script_setting(self.runtime.chat.previews, conversation_id, self.surface.options())
        # The variables of all chats are the same in the new one.
        self._kept = (setting.local, self._kept[1])
        if self.stores is not None:
            self.stores.local.values.clear()
            self.stores.local.values.update(setting.local)


def _changes(was: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str | None]:
    """New values by name; None for those that are gone."""
    gone: dict[str, str | None] = dict.fromkeys(name for name in was if name not in now)
    return gone | {name: value for name, value in now.items() if was.get(name) != value}
