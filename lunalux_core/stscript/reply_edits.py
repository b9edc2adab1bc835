"""Changes to the file of a set of quick replies, as its commands make them; what they do not name stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lunalux_core.documents.coerce import as_integer, as_text
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.stscript.quick_reply_files import MAX_MENUS, MAX_REPLIES

FIELDS: Mapping[str, str] = {
    "newlabel": "label",
    "icon": "icon",
    "showlabel": "showLabel",
    "title": "title",
    "hidden": "isHidden",
    "startup": "executeOnStartup",
    "user": "executeOnUser",
    "bot": "executeOnAi",
    "load": "executeOnChatChange",
    "new": "executeOnNewChat",
    "group": "executeOnGroupMemberDraft",
    "generation": "executeBeforeGeneration",
    "automationId": "automationId",
}
"""What the commands call the fields of a reply."""
FLAGS = frozenset(FIELDS) - {"newlabel", "icon", "title", "automationId"}
"""Those that are a switch."""

Document = Mapping[str, Any]


def place_of(document: Document, label: str, identity: str = "") -> int:
    """Where a reply stands, by its id where one is given. Raises NotFound (QUICK_REPLY_NOT_FOUND)."""
    replies = [item if isinstance(item, dict) else {} for item in document["qrList"]]
    wanted = label.strip().casefold()
    for place, item in enumerate(replies):
        by_id = identity.strip() and str(as_integer(item.get("id"), place)) == identity.strip()
        by_label = not identity.strip() and as_text(item.get("label")).casefold() == wanted
        if item and (by_id or by_label):
            return place
    name, labels = as_text(document.get("name")), ", ".join(as_text(item.get("label")) for item in replies)
    raise NotFound(
        "QUICK_REPLY_NOT_FOUND",
        f"There is no quick reply {label or identity!r} in {name}.",
        f"It has: {labels}." if labels else "It is empty.",
        label=label or identity,
        name=name,
        labels=labels,
    )


def with_new_reply(document: Document, label: str, fields: Document) -> Document:
    """The file with one more reply. Raises InvalidInput (QUICK_REPLIES_FULL)."""
    replies = document["qrList"]
    if len(replies) >= MAX_REPLIES:
        raise InvalidInput(
            "QUICK_REPLIES_FULL",
            f"A set has at most {MAX_REPLIES} quick replies.",
            "Use another set.",
            limit=MAX_REPLIES,
        )
    used = [as_integer(item.get("id"), 0) for item in replies if isinstance(item, dict)]
    # `idIndex` is the next id, but a file made by hand may have that one already.
    number = max([*used, as_integer(document.get("idIndex"), 1) - 1, 0]) + 1
    reply = {"id": number, "label": label, "title": "", "message": "", "contextList": [], **fields}
    return {**document, "idIndex": number + 1, "qrList": [*replies, reply]}


def with_fields(document: Document, place: int, fields: Document) -> Document:
    """The file with other values in one reply."""
    replies = list(document["qrList"])
    replies[place] = {**replies[place], **fields}
    return {**document, "qrList": replies}


def with_menu(document: Document, place: int, name: str, chained: bool | None) -> Document:
    """The file with a set in the menu of a reply, or without it (None); "" takes out all of them."""
    listed = document["qrList"][place].get("contextList")
    kept = [
        menu
        for menu in (listed if isinstance(listed, list) else ())
        if name and isinstance(menu, dict) and menu.get("set") != name
    ]
    added = [] if chained is None else [{"set": name, "isChained": chained}]
    return with_fields(document, place, {"contextList": [*kept, *added][:MAX_MENUS]})
