"""Dialogs as a person sees them: no emptiness under the keys, words that say what to do first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chat_world import open_app

from lunalux_core.config.settings import SavedModel
from lunalux_core.dialogue.authors_note import ChatNote
from lunalux_core.dialogue.chat_texts import ChatOverrides
from lunalux_core.library.groups import Group, Member
from lunalux_core.runtime import Runtime
from lunalux_core.wire.characters import OwnCharacter
from lunalux_tui.account.coupon_dialog import CouponDialog
from lunalux_tui.account.erase_dialog import EraseDialog
from lunalux_tui.account.sign_in_dialog import SignInDialog
from lunalux_tui.account.username_dialog import UsernameDialog
from lunalux_tui.chat.group_dialog import GroupDialog
from lunalux_tui.chat.note_dialog import NoteDialog
from lunalux_tui.chat.overrides_dialog import OverridesDialog
from lunalux_tui.chat.search_dialog import SearchDialog
from lunalux_tui.chat.start_dialog import StartDialog
from lunalux_tui.i18n import t
from lunalux_tui.market.mine_dialog import EditOwnDialog
from lunalux_tui.market.publish_dialog import PublishDialog
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.form_dialog import FormDialog
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.path_dialog import PathDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.told import Told
from lunalux_tui.settings.model_dialog import ModelDialog


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_the_keys_of_publishing_stand_at_the_foot_of_its_box(size: tuple[int, int], home: Path) -> None:
    async with open_app(size) as driven:
        runtime = driven.app.runtime

        async def card() -> bytes:
            return b""

        dialog = PublishDialog(runtime, "nobody", "Mirelle", card, lang="en")
        driven.app.push_screen(dialog)
        await driven.until(lambda: dialog.query(KeyBar) and dialog.query_one(KeyBar).region.height)
        box = dialog.query_one("#dialog").region
        assert dialog.query_one(KeyBar).region.bottom == box.bottom - 1
        assert driven.app.screen.region.contains_region(box)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (50, 15)])
async def test_the_keys_of_a_path_stand_at_the_foot_of_its_box(size: tuple[int, int], home: Path) -> None:
    async with open_app(size) as driven:
        dialog = PathDialog("Import", hint="A hint that is long enough for two lines. " * 2)
        driven.app.push_screen(dialog)
        await driven.until(lambda: dialog.query(KeyBar) and dialog.query_one(KeyBar).region.height)
        box = dialog.query_one("#dialog").region
        assert dialog.query_one(KeyBar).region.bottom == box.bottom - 1
        assert dialog.rows.region.height >= 3


def _forms(runtime: Runtime) -> list[FormDialog[Any]]:
    note = NoteDialog(ChatNote.read({}))

    async def card() -> bytes:
        return b""

    own = OwnCharacter.model_construct(
        id="1", name="Mirelle", language="en", intro="A lamp.", tags=["cosy"], status="active"
    )
    return [
        PublishDialog(runtime, "nobody", "Mirelle", card, lang="en"),
        EditOwnDialog(runtime.market, own, runtime.library.drafts.of("own"), {}),
        ModelDialog(runtime, SavedModel("", "openai", ""), "Model", frozenset()),
        CouponDialog(runtime.account),
        EraseDialog(runtime.account),
        UsernameDialog(runtime.account),
        SignInDialog(runtime, "up"),
        note,
        OverridesDialog(ChatOverrides(), {}),
        StartDialog(None),
    ]


@pytest.mark.parametrize("size", [(80, 24), (80, 20), (50, 15)])
async def test_a_form_shows_what_is_wrong_and_its_keys(size: tuple[int, int], home: Path) -> None:
    async with open_app(size) as driven:
        for dialog in _forms(driven.app.runtime):
            driven.app.push_screen(dialog)
            await driven.until(lambda dialog=dialog: dialog.query(KeyBar) and dialog.is_mounted)  # type: ignore[misc]
            await driven.settle()
            dialog.say(
                "The server is too busy for this just now, and nothing of it was stored.\n"
                "Try again in a minute; what you typed stays here.",
                error=True,
            )
            await driven.settle()
            box = dialog.query_one("#dialog").content_region
            for part in (dialog.query_one("#outcome"), dialog.query_one(KeyBar)):
                assert box.contains_region(part.region) and part.region.height, (type(dialog), part)
            dialog.dismiss(None)
            await driven.settle()


async def test_searching_says_first_what_to_do_and_not_that_nothing_was_found(home: Path) -> None:
    async with open_app() as driven:
        await driven.press("ctrl+f")
        await driven.until(
            lambda: isinstance(driven.app.screen, SearchDialog) and driven.app.screen.is_mounted
        )
        await driven.settle()
        dialog = driven.app.screen
        assert isinstance(dialog, SearchDialog)
        assert dialog.rows.empty == "tab narrows it to this chat or character."
        await driven.press(*"zzzz")
        await driven.until(lambda: dialog.rows.empty == "Nothing found")


async def test_what_a_style_of_reply_means_is_read_whole(home: Path) -> None:
    async with open_app((80, 24)) as driven:
        await driven.chat.run_action("modes")
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
        await driven.settle()
        strips = driven.app.screen._compositor.render_strips()
        seen = "\n".join("".join(segment.text for segment in strip) for strip in strips)
        assert "Told from inside your character" in seen


async def test_the_way_out_of_a_dialog_stands_in_its_footer_on_a_small_screen(home: Path) -> None:
    async with open_app((50, 15)) as driven:
        await driven.press("ctrl+l")
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog) and driven.app.screen.rows.rows)
        await driven.settle()
        strips = driven.app.screen._compositor.render_strips()
        footer = "".join(segment.text for segment in strips[-2])
        assert "⏎ Choose" in footer and "esc Close" in footer and "…" not in footer
        await driven.press("escape")
        members = tuple(Member(str(number), f"N{number}") for number in range(3))
        group = Group("g", "Three", "natural", "swap", False, members, 0, 0)
        driven.app.push_screen(GroupDialog(driven.app.runtime, group))
        await driven.until(lambda: getattr(driven.app.screen.focused, "id", "") == "members")
        bar = driven.app.screen.query_one(KeyBar)
        footer = "".join(segment.text for segment in bar.render_lines(bar.size.region)[0])
        assert "m Mute" in footer and "esc Close" in footer and "…" not in footer, "many keys, all important"


@pytest.mark.parametrize("width", [80, 69, 64, 56, 50])
async def test_no_line_of_a_chinese_dialog_begins_with_a_mark_that_must_not(
    width: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUNALUX_LANG", "zh")
    async with open_app((width, 24)) as driven:
        dialog = ConfirmDialog(
            t("account.erase.title"), t("account.erase.goes") + "\n" + t("account.erase.stays")
        )
        driven.app.push_screen(dialog)
        await driven.until(lambda: dialog.query(Told) and dialog.query_one(Told).region.height > 1)
        told = dialog.query_one(Told)
        lines = [told.render_line(line).text.strip() for line in range(told.size.height)]
        assert "".join(lines) == (t("account.erase.goes") + t("account.erase.stays")).replace("\n", "")
        assert not [line for line in lines if line[:1] in {*"，。、；：！？”）"}]
