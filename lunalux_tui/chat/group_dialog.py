"""A group's members and rules: who speaks now, who is muted, in what order, and whose cards are sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.widgets import Static

from lunalux_core.library.groups import CARD_MODES, TURN_ORDERS, Group
from lunalux_tui.actions import Action, bindings, first_key
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import CANCEL, Dialog, question
from lunalux_tui.parts.drawn import keymap_of
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.parts.told import Told
from lunalux_tui.theme.styles import SPEAKERS, SURFACE

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.runtime import Runtime

NEXT = "next"
"""Id of the row that leaves the choice to the group's order."""


class SpeakerDialog(PickDialog):
    """Answers the id of the member that shall speak, "" for whoever's turn it is, or None."""

    def __init__(self, group: Group) -> None:
        rows = [
            Row(NEXT, t("cast.next"), right=t(f"cast.order.{group.order}.label"), mark="→"),
            *(
                Row(
                    member.character_id,
                    member.name,
                    right=t("cast.muted") if member.muted else "",
                    mark=sign(place),
                )
                for place, member in enumerate(group.members)
            ),
        ]
        super().__init__(question("speaker.title"), rows, hint=question("speaker.hint"))

    def action_choose(self) -> None:
        if self.rows.chosen:
            self.dismiss("" if self.rows.chosen == NEXT else self.rows.chosen)


class GroupDialog(Dialog[str]):
    """Answers the id of the member that shall speak now, or None; all else is changed in place."""

    ACTIONS = (
        Action("group_members.mute", "mute", "m,space", footer=71, palette=False),
        Action("group_members.up", "shift(-1)", "K,shift+up", footer=72, palette=False),
        Action("group_members.down", "shift(1)", "J,shift+down", footer=73, palette=False),
        Action("group_members.choose", "choose", "a", footer=74, palette=False),
        Action("group_members.remove", "remove", "delete,d", footer=75, palette=False),
        Action("group_members.order", "order", "o", palette=False),
        Action("group_members.cards", "cards", "c", palette=False),
        Action("group_members.auto_mode", "auto_mode", "t", palette=False),
        Action("group_members.self_responses", "self_responses", "s", palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    SIZE = "-tall -broad"

    def __init__(self, runtime: Runtime, group: Group) -> None:
        super().__init__(group.name, hint=question("group.hint"))
        self._runtime = runtime
        self._group = group
        self._talks: dict[str, float] = {}

    def compose_body(self) -> ComposeResult:
        yield Rows(ground=SURFACE, id="members")
        yield Told(id="rules")

    @property
    def rows(self) -> Rows:
        return self.query_one("#members", Rows)

    def on_mount(self) -> None:
        self.rows.empty = question("group.nobody")
        self.rows.focus()
        self._draw()
        self._begin()

    @work(exit_on_error=False)
    async def _begin(self) -> None:
        """How readily the members speak stands in their cards."""
        from lunalux_core.groups.group_prompt import member_cards

        def read(connection: Connection) -> dict[str, float]:
            return {
                card.character.id: card.card.talkativeness for card in member_cards(connection, self._group)
            }

        self._talks = await self._runtime.library.database.read(read)
        self._draw()

    def _draw(self, at: str | None = None) -> None:
        group = self._group
        rows = [
            Row(
                member.character_id,
                member.name,
                right=t("cast.muted") if member.muted else self._talkative(member.character_id),
                mark=sign(place),
                strong=not member.muted,
            )
            for place, member in enumerate(group.members)
        ]
        self.rows.set_rows(rows, at=at)
        rules = {
            "order": t(f"cast.order.{group.order}.help"),
            "cards": t(f"cast.cards.{group.cards}.help"),
            "self_responses": t("cast.yes") if group.self_responses else t("cast.no"),
            "auto_mode": t("cast.auto_every", seconds=group.auto_delay) if group.auto_mode else t("cast.no"),
        }
        lines = [f"{self._key(rule)}  {t(f'cast.rule.{rule}', value=value)}" for rule, value in rules.items()]
        self.query_one("#rules", Static).update("\n".join(lines))

    def _key(self, rule: str) -> str:
        """The key that changes a rule."""
        action = next(action for action in self.ACTIONS if action.id == f"group_members.{rule}")
        return first_key(action, keymap_of(self.rows)) or "·"

    def _talkative(self, character_id: str) -> str:
        talks = self._talks.get(character_id)
        return "" if talks is None else t("cast.talkative", percent=round(100 * talks))

    # -- the members -------------------------------------------------------------------------------

    @on(Rows.Chosen)
    def _speak(self, event: Rows.Chosen) -> None:
        event.stop()
        self.dismiss(event.id)

    def _members(self) -> list[tuple[str, bool]]:
        return [(member.character_id, member.muted) for member in self._group.members]

    async def _store(self, members: Sequence[tuple[str, bool]], at: str | None = None) -> None:
        self._group = await self._runtime.library.groups.set_members(self._group.id, members)
        self._draw(at)

    @work(group="members", exclusive=True, exit_on_error=False)
    async def action_mute(self) -> None:
        chosen = self.rows.chosen
        # The other way for the chosen one; as it is for the others.
        await self._store([(member, muted != (member == chosen)) for member, muted in self._members()])

    @work(group="members", exclusive=True, exit_on_error=False)
    async def action_shift(self, step: int) -> None:
        members, place = self._members(), self.rows.cursor
        if 0 <= place + step < len(members):
            members.insert(place + step, members.pop(place))
            await self._store(members, at=members[place + step][0])

    @work(group="members", exclusive=True, exit_on_error=False)
    async def action_remove(self) -> None:
        chosen = self.rows.chosen
        await self._store([member for member in self._members() if member[0] != chosen])

    @work(group="members", exclusive=True, exit_on_error=False)
    async def action_choose(self) -> None:
        """Add and take away members."""
        from lunalux_tui.chat.new_group_dialog import NewGroupDialog

        muted = dict(self._members())
        characters = await self._runtime.library.characters.list()
        chosen = await self.app.push_screen_wait(NewGroupDialog(characters, list(muted), least=1))
        if chosen:
            await self._store([(member, muted.get(member, False)) for member in chosen.split()])
            # How readily new members speak is not known yet.
            await self._begin().wait()

    # -- the rules ---------------------------------------------------------------------------------

    async def _set(self, **values: object) -> None:
        await self._runtime.library.groups.set(self._group.id, **values)
        self._group = await self._runtime.library.groups.get(self._group.id)
        self._draw()

    @work(group="members", exclusive=True, exit_on_error=False)
    async def action_order(self) -> None:
        order = await self.app.push_screen_wait(order_dialog(self._group))
        if order:
            await self._set(order=order)

    @work(group="members", exclusive=True, exit_on_error=False)
    async def action_cards(self) -> None:
        at = CARD_MODES.index(self._group.cards)
        await self._set(cards=CARD_MODES[(at + 1) % len(CARD_MODES)])

    @work(group="members", exclusive=True, exit_on_error=False)
    async def action_auto_mode(self) -> None:
        await self._set(auto_mode=not self._group.auto_mode)

    @work(group="members", exclusive=True, exit_on_error=False)
    async def action_self_responses(self) -> None:
        await self._set(self_responses=not self._group.self_responses)


def order_dialog(group: Group) -> PickDialog:
    """Asks for the order of turns; answers its name."""
    rows = [
        Row(turn_order, t(f"cast.order.{turn_order}.label"), t(f"cast.order.{turn_order}.help"))
        for turn_order in TURN_ORDERS
    ]
    return OrderDialog(question("group_order.title"), rows, current=group.order)


class OrderDialog(PickDialog):
    """The orders with what they mean."""

    TWO_LINES = True


def sign(place: int) -> str:
    """The sign of a member before its name."""
    return SPEAKERS[place % len(SPEAKERS)][0]
