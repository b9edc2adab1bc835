"""Where sets of quick replies are in force: everywhere, with a character or a group, in one chat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lunalux_core.library.quick_replies import ReplyScope, ReplyUse, StoredSet
from lunalux_tui.i18n import in_a_list, t
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.chat.protocols import Asker
    from lunalux_tui.chat.quick_replies import QuickReplies

SCOPES: tuple[ReplyScope, ...] = ("global", "character", "chat")


class QuickReplyPlaces:
    """Puts sets in force where the person is, and lets them run by themselves."""

    def __init__(self, runtime: Runtime, opener: Opener, replies: QuickReplies, view: Asker) -> None:
        self._runtime = runtime
        self._opener = opener
        self._replies = replies
        self._view = view

    async def choose(self) -> None:
        """Choose a set, and where it is in force; and whether it may run by itself."""
        shelf = self._runtime.library.quick_replies
        stored = await shelf.list()
        if not stored:
            self._view.say(t("slash.no_replies"))
            return
        uses = await shelf.uses()
        rows = [
            Row(
                quick_set.id,
                quick_set.name,
                self._told(quick_set, uses),
                t("quick.replies", n=len(quick_set.content.replies)),
            )
            for quick_set in stored
        ]
        chosen = await self._view.ask(PickDialog(t("quick.title"), rows, two_lines=True))
        while chosen:
            rule = await self._view.ask(await self._rules(chosen))
            if not rule:
                return
            await self._switch(chosen, rule)
            await self._replies.follow()

    def _told(self, stored: StoredSet, uses: Sequence[ReplyUse]) -> str:
        here = [
            t(f"quick.scopes.{scope}")
            for scope, target in self._targets().items()
            if any((use.set_id, use.scope, use.target) == (stored.id, scope, target) for use in uses)
        ]
        automatic = [t("quick.automatic")] if stored.automatic and stored.content.automatic else []
        return " · ".join([*here, *automatic]) or t("quick.nowhere")

    def _targets(self) -> Mapping[ReplyScope, str]:
        """The places that there are here."""
        chat = self._opener.chat
        targets: dict[ReplyScope, str] = {"global": ""}
        if chat.row_id:
            targets["character"] = chat.row_id
        if chat.conversation is not None:
            targets["chat"] = chat.conversation.id
        return targets

    async def _rules(self, set_id: str) -> PickDialog:
        shelf = self._runtime.library.quick_replies
        stored = next(quick_set for quick_set in await shelf.list() if quick_set.id == set_id)
        uses = {(use.scope, use.target): use for use in await shelf.uses() if use.set_id == set_id}
        rows = []
        for scope, target in self._targets().items():
            use = uses.get((scope, target))
            state = "off" if use is None else "shown" if use.visible else "hidden"
            title = t(f"quick.in.{scope}", name=self._opener.chat.name)
            rows.append(Row(scope, title, right=t(f"quick.state.{state}"), mark=" " if use is None else "✓"))
        if own := stored.content.automatic:
            names = in_a_list(reply.label or reply.title for reply in own[:6])
            mark = "✓" if stored.automatic else " "
            rows.append(Row("automatic", t("quick.may_run", n=len(own)), right=names, mark=mark))
        return PickDialog(stored.name, rows, hint=t("quick.hint"))

    async def _switch(self, set_id: str, rule: str) -> None:
        """Off, shown, in force without buttons, off again."""
        shelf = self._runtime.library.quick_replies
        if rule == "automatic":
            stored = next(quick_set for quick_set in await shelf.list() if quick_set.id == set_id)
            await shelf.allow(set_id, not stored.automatic)
            return
        scope = next(scope for scope in SCOPES if scope == rule)
        target = self._targets()[scope]
        here = (set_id, scope, target)
        uses = await shelf.uses()
        use = next((use for use in uses if (use.set_id, use.scope, use.target) == here), None)
        visible = use is None
        await shelf.use(ReplyUse(scope, target, set_id, visible), on=use is None or use.visible)
