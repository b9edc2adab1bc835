"""Sets of quick replies: SillyTavern's files of version 2, and the slots of older ones.

A set keeps the whole document it came in. What Lunalux does not know goes out again as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lunalux_core.documents.coerce import as_flag, as_integer, as_text
from lunalux_core.errors import InvalidInput

VERSION = 2
MAX_REPLIES = 2_000
MAX_MENUS = 100
"""Sets that the menu of one reply opens."""


Moment = Literal["startup", "user", "reply", "chat", "member", "new_chat", "generation"]
MOMENTS: Mapping[str, Moment] = {
    "executeOnStartup": "startup",
    "executeOnUser": "user",
    "executeOnAi": "reply",
    "executeOnChatChange": "chat",
    "executeOnGroupMemberDraft": "member",
    "executeOnNewChat": "new_chat",
    "executeBeforeGeneration": "generation",
}
"""When a reply runs by itself, by SillyTavern's names."""


@dataclass(frozen=True, slots=True)
class MenuSet:
    """A set whose replies stand in the menu of a reply. `chained`: what is chosen runs after that reply."""

    name: str
    chained: bool = False


@dataclass(frozen=True, slots=True)
class QuickReply:
    """One button. `message` is a script where it begins with ``/``, else a text to send or insert.

    Args:
        icon: the name of a picture of Font Awesome; `show_label` shows the label beside it.
        moments: when it runs by itself.
        automation_id: it runs when a worldbook entry of the same id is activated.
        prevents: while it runs, no other reply runs by itself.
        menus: the sets that its menu opens.
    """

    id: int
    label: str
    title: str
    message: str
    hidden: bool = False
    icon: str = ""
    show_label: bool = False
    moments: frozenset[Moment] = frozenset()
    automation_id: str = ""
    prevents: bool = True
    menus: tuple[MenuSet, ...] = ()

    @property
    def is_automatic(self) -> bool:
        """Whether it ever runs by itself."""
        return bool(self.moments or self.automation_id)

    @property
    def is_script(self) -> bool:
        return self.message.lstrip().startswith("/")


@dataclass(frozen=True, slots=True)
class QuickReplySet:
    """Replies under a name; `document` is its file, as version 2."""

    name: str
    replies: Sequence[QuickReply]
    document: Mapping[str, Any]
    notes: Sequence[str] = ()

    @property
    def automatic(self) -> Sequence[QuickReply]:
        """The replies that would run by themselves, were they allowed to."""
        return [reply for reply in self.replies if reply.is_automatic]

    @property
    def color(self) -> str:
        """The colour of its buttons as it is written in the file, "" where there is none."""
        return as_text(self.document.get("color"))[:100]

    def find(self, label: str) -> QuickReply | None:
        """The reply of that label, in any case if there is none in this one."""
        exact = (reply for reply in self.replies if reply.label == label)
        loose = (reply for reply in self.replies if reply.label.casefold() == label.strip().casefold())
        return next(exact, None) or next(loose, None)


def read_set(document: object, name: str = "") -> QuickReplySet:
    """The set in a file, whatever the types of its values are.

    Args:
        name: used where the file names none.

    Raises:
        InvalidInput: QUICK_REPLIES_INVALID for a file that holds neither form.
    """
    if isinstance(document, dict) and isinstance(document.get("qrList"), list):
        return _read(document, name, ())
    if isinstance(document, dict) and isinstance(document.get("quickReplySlots"), list):
        return _read(_of_slots(document), name, ("old slots were read as version 2",))
    raise InvalidInput(
        "QUICK_REPLIES_INVALID",
        "The file holds no quick replies.",
        "Choose a set exported from SillyTavern: it has qrList or quickReplySlots.",
    )


def _read(document: Mapping[str, Any], name: str, notes: tuple[str, ...]) -> QuickReplySet:
    listed = document["qrList"]
    replies = [
        _reply(item, place) for place, item in enumerate(listed[:MAX_REPLIES]) if isinstance(item, dict)
    ]
    left_out = len(listed) - len(replies)
    if left_out:
        notes = (*notes, f"{left_out} entries are no quick replies, or too many, and cannot be run")
    called = as_text(document.get("name")).strip() or name.strip() or "Quick replies"
    return QuickReplySet(called, tuple(replies), {**document, "name": called}, notes)


def _reply(item: Mapping[str, Any], place: int) -> QuickReply:
    return QuickReply(
        id=as_integer(item.get("id"), place),
        label=as_text(item.get("label")),
        title=as_text(item.get("title")),
        message=as_text(item.get("message")),
        hidden=as_flag(item.get("isHidden")),
        icon=as_text(item.get("icon"))[:100].strip(),
        show_label=as_flag(item.get("showLabel")),
        moments=frozenset(moment for name, moment in MOMENTS.items() if as_flag(item.get(name))),
        automation_id=as_text(item.get("automationId")).strip(),
        # On by default, as in SillyTavern.
        prevents=as_flag(item.get("preventAutoExecute"), True),
        menus=tuple(_menus(item.get("contextList"))),
    )


def _menus(listed: object) -> Iterator[MenuSet]:
    """The sets that a reply opens, each once."""
    seen = set()
    for entry in listed[:MAX_MENUS] if isinstance(listed, list) else ():
        name = as_text(entry.get("set")) if isinstance(entry, dict) else ""
        if name.strip() and name not in seen:
            seen.add(name)
            yield MenuSet(name, as_flag(entry.get("isChained")))


def _of_slots(document: Mapping[str, Any]) -> dict[str, Any]:
    """An old file as version 2; what it says besides its slots stays in it."""
    slots = [slot for slot in document["quickReplySlots"] if isinstance(slot, dict)]
    used = [slot for slot in slots if as_text(slot.get("mes")) or as_text(slot.get("label"))]
    rest = {key: value for key, value in document.items() if key != "quickReplySlots"}
    return {
        **rest,
        "version": VERSION,
        "disableSend": not as_flag(document.get("quickActionEnabled"), True),
        "placeBeforeInput": as_flag(document.get("placeBeforeInputEnabled")),
        "injectInput": as_flag(document.get("AutoInputInject")),
        # SillyTavern numbers the next reply from here on.
        "idIndex": len(used),
        "qrList": [_of_slot(slot, number) for number, slot in enumerate(used, 1)],
    }


def _of_slot(slot: Mapping[str, Any], number: int) -> dict[str, Any]:
    rest = {key: value for key, value in slot.items() if key not in ("mes", "label", "title", "enabled")}
    return {
        **rest,
        "id": number,
        "label": as_text(slot.get("label")) or str(number),
        "title": as_text(slot.get("title")),
        "message": as_text(slot.get("mes")),
        "isHidden": not as_flag(slot.get("enabled"), True),
    }


def named(sets: Iterable[QuickReplySet], name: str) -> QuickReply | None:
    """The reply that /run means: ``SET.LABEL``, or the first of that label."""
    known_sets = list(sets)
    for reply_set, label in _splits(known_sets, name):
        if (reply := reply_set.find(label)) is not None:
            return reply
    return next((reply for reply_set in known_sets if (reply := reply_set.find(name)) is not None), None)


def _splits(sets: Sequence[QuickReplySet], name: str) -> Iterator[tuple[QuickReplySet, str]]:
    """A dot may stand in the name of a set, too."""
    for reply_set in sets:
        head = name[: len(reply_set.name) + 1]
        if head.casefold() == f"{reply_set.name}.".casefold():
            yield reply_set, name[len(head) :]
