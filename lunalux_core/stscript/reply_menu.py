"""Menus of quick replies: a reply opens the replies of other sets, which may open further ones.

A set stands on one way through the menus at most once, so every way ends. Of a reply's own set the menu shows
what the bar does not: hidden replies that have an icon.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lunalux_core.stscript.quick_reply_files import QuickReply, QuickReplySet

_PARENT = re.compile(r"%%parent(-\d{1,3})?%%")


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """A reply, and the way through the menus that led to it.

    Args:
        reply: with its message after that of the replies it is chained to.
        of: the set it stands in; its rules (`disableSend` and others) count when it is used.
        passed: names of the sets that were opened on the way.
        labels: labels of the replies that were opened on the way.
    """

    reply: QuickReply
    of: QuickReplySet
    passed: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def chosen(self) -> QuickReply:
        """The reply to run: `%%parent%%` is the label that opened its menu, `%%parent-2%%` the one before."""
        if not self.labels:
            return self.reply
        return replace(self.reply, message=_PARENT.sub(self._parent, self.reply.message))

    def _parent(self, match: re.Match[str]) -> str:
        # A number beyond the way that was taken gives the first label of it.
        return self.labels[int(match[1] or "-1") :][0]


def menu_of(entry: MenuEntry, sets: Iterable[QuickReplySet]) -> Sequence[MenuEntry]:
    """What the menu of a reply offers, in its order; of sets with the same name the first counts."""
    return tuple(_entries(entry, list(sets))) if entry.reply.menus else ()


def _entries(entry: MenuEntry, sets: Sequence[QuickReplySet]) -> Iterator[MenuEntry]:
    for menu in entry.reply.menus:
        opened = next((reply_set for reply_set in sets if reply_set.name == menu.name), None)
        if opened is None or opened.name in entry.passed:
            continue
        own = opened.name == entry.of.name
        # In one script with it, so that the pipe of the first reply reaches the second.
        before = f"{entry.reply.message} | " if menu.chained and entry.reply.message else ""
        for reply in opened.replies:
            if (reply.hidden and reply.icon) if own else not reply.hidden:
                yield MenuEntry(
                    replace(reply, message=before + reply.message) if reply.message else reply,
                    opened,
                    (*entry.passed, opened.name),
                    (*entry.labels, entry.reply.label),
                )


def followed(entry: MenuEntry, label: str, sets: Iterable[QuickReplySet]) -> MenuEntry | None:
    """The reply of that label in the menu of another, in any case if there is none in this one."""
    entries = menu_of(entry, sets)
    exact = (inner for inner in entries if inner.reply.label == label)
    loose = (inner for inner in entries if inner.reply.label.casefold() == label.strip().casefold())
    return next(exact, None) or next(loose, None)
