"""Groups in the app, driven by its keys over the real library and the practice model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chat_world import Driven, open_app
from textual.widgets import Input

from lunalux_core.config.settings import load_settings
from lunalux_core.importing import import_data
from lunalux_core.library.groups import Group
from lunalux_core.runtime import Runtime
from lunalux_tui import i18n
from lunalux_tui.chat.group_dialog import GroupDialog, SpeakerDialog
from lunalux_tui.chat.new_group_dialog import NewGroupDialog
from lunalux_tui.parts.pick_dialog import PickDialog

NAMES = ("Ann", "Ben", "Cleo")


async def stored_group(order: str = "list") -> Group:
    """Three characters in a group, with a conversation that was used last."""
    async with Runtime.open(load_settings()) as runtime:
        await runtime.first_start()
        ids = []
        for name in NAMES:
            card = {"name": name, "description": f"{name} is here.", "first_mes": f"{name} says hello."}
            data = json.dumps(card).encode()
            ids.append((await import_data(runtime.library, runtime.paths, data, f"{name}.json")).id)
        group = await runtime.library.groups.create("The table", ids)
        await runtime.library.groups.set(group.id, order=order)
        await runtime.chat.start_group(group.id)
        return await runtime.library.groups.get(group.id)


def speakers(app: Driven) -> list[str]:
    return [message.name for message in app.chat.transcript.messages]


async def opened(app: Driven, dialog: type) -> None:
    await app.until(lambda: isinstance(app.app.screen, dialog) and app.app.screen.is_mounted)
    await app.pilot.pause()


async def test_a_round_is_seen_with_the_sign_of_each_speaker() -> None:
    await stored_group()
    async with open_app() as app:
        assert app.chat.group is not None and app.chat.header.members[0] == ("Ann", False)
        assert app.contents() == [f"{name} says hello." for name in NAMES]
        await app.write("Good evening")
        await app.press("enter")
        await app.until(lambda: len(app.contents()) == 7 and not app.chat.busy)
        assert speakers(app)[3:] == ["Traveller", *NAMES]
        drawn = app.drawn()
        assert drawn.count("● Ann") == drawn.count("◆ Ben") == drawn.count("▲ Cleo") == 2
        (row, *_) = [row for row in app.chat.roster.rows.rows if row.id == app.chat.group.id]
        assert row.title == "The table" and row.detail.startswith("Cleo: "), "the last words are told"
        assert app.chat.roster.rows.current == row.id


async def test_a_group_is_made_from_the_list_of_characters() -> None:
    async with open_app() as app:
        first = app.chat.character_name
        await app.chat.run_action("new_group")
        await opened(app, NewGroupDialog)
        await app.press("ctrl+s")  # one is too few
        assert isinstance(app.app.screen, NewGroupDialog)
        rows = app.app.screen.rows
        other = next(place for place, row in enumerate(rows.rows) if row.title != first)
        rows.cursor = other
        title = rows.rows[other].title
        await app.press("enter", "ctrl+s")
        await app.until(lambda: bool(app.app.screen.query("#answer")))
        assert app.app.screen.query_one("#answer", Input).value == f"{first}, {title}"
        app.app.screen.query_one("#answer", Input).value = "Night watch"
        await app.press("enter")
        await app.until(lambda: app.chat.group is not None and app.app.screen is app.chat)
        await app.settle()
        assert app.chat.character_name == app.chat.header.character == "Night watch"
        assert [name for name, _ in app.chat.header.members] == [first, title]
        assert len(app.contents()) == 2


async def test_a_member_is_asked_to_speak() -> None:
    await stored_group("manual")
    async with open_app() as app:
        await app.write("Well?")
        await app.press("enter")
        await app.until(lambda: len(app.contents()) == 4 and not app.chat.busy)
        assert app.chat.prompt.text == ""
        await app.press("alt+s")
        await opened(app, SpeakerDialog)
        await app.press(*"cleo", "enter")
        await app.until(lambda: len(app.contents()) == 5 and not app.chat.busy)
        assert speakers(app)[3:] == ["Traveller", "Cleo"]
        await app.press("ctrl+r")
        await app.until(lambda: app.chat.transcript.messages[-1].swipes == 2 and not app.chat.busy)
        assert speakers(app)[3:] == ["Traveller", "Cleo"]


async def test_members_are_muted_moved_and_removed_and_rules_changed() -> None:
    group = await stored_group()
    async with open_app((80, 24)) as app:

        async def now() -> Group:
            return await app.app.runtime.library.groups.get(group.id)

        await app.press("alt+g")
        await opened(app, GroupDialog)
        dialog = app.app.screen
        assert isinstance(dialog, GroupDialog)
        await app.until(lambda: "50" in dialog.rows.rows[0].right)
        await app.press("m", "J")
        await app.until(lambda: [row.title for row in dialog.rows.rows] == ["Ben", "Ann", "Cleo"])
        assert (await now()).muted == ("Ann",)
        await app.press("J", "delete", "c", "s")
        await app.until(lambda: len(dialog.rows.rows) == 2)
        await app.press("o")
        await app.until(lambda: isinstance(app.app.screen, PickDialog))
        await app.press(*"manual", "enter")
        await app.until(lambda: app.app.screen is dialog)
        await app.settle()
        changed = await now()
        assert changed.names == ("Ben", "Cleo") and not changed.muted
        assert (changed.order, changed.cards, changed.self_responses) == ("manual", "append", True)
        await app.press("escape")
        await app.until(lambda: [name for name, _ in app.chat.header.members] == ["Ben", "Cleo"])
        assert "● Ben" in app.drawn() and "Ann" in speakers(app)


async def test_stopping_ends_the_whole_round(monkeypatch: pytest.MonkeyPatch) -> None:
    await stored_group()
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "60")
    async with open_app() as app:
        await app.write("Good evening")
        await app.press("enter")
        await app.until(lambda: app.chat.busy and app.chat.transcript.text_layout.stream_text())
        assert app.chat.status.writer == "Ann"
        await app.press("escape")
        await app.until(lambda: not app.chat.busy)
        await app.settle()
        assert speakers(app)[3:] == ["Traveller", "Ann"]
        assert app.chat.transcript.messages[-1].status == "stopped"


async def test_groups_have_conversations_search_and_an_end() -> None:
    group = await stored_group()
    async with open_app() as app:
        await app.say("Good evening")
        first = app.chat.conversation
        await app.press("ctrl+n")
        await app.until(lambda: app.chat.conversation is not None and app.chat.conversation != first)
        found = await app.app.runtime.library.conversations.list(group_id=group.id)
        assert len(found) == 2
        await app.press("ctrl+l")
        await app.until(lambda: isinstance(app.app.screen, PickDialog) and len(app.app.screen.rows.rows) == 2)
        await app.press("escape")
        await app.press("ctrl+f", "tab", "tab", *"hello")
        await app.until(lambda: isinstance(app.app.screen, PickDialog) and len(app.app.screen.rows.rows) == 6)
        await app.press("escape")
        await app.chat.run_action("delete_group")
        await app.until(lambda: app.app.screen is not app.chat)
        await app.press("y")
        await app.until(lambda: app.chat.conversation is None)
        assert not await app.app.runtime.library.groups.list()
        await app.until(lambda: all(row.id != group.id for row in app.chat.roster.rows.rows))
        assert app.chat.header.members == () and {"Ann", "Ben"} <= {
            r.title for r in app.chat.roster.rows.rows
        }


async def test_a_character_chat_has_no_actions_of_groups() -> None:
    async with open_app() as app:
        assert app.chat.check_action("speak", ()) is False
        assert app.chat.check_action("members", ()) is False
        assert app.chat.check_action("new_group", ()) is True


async def test_a_group_is_opened_by_its_name_and_its_chat_comes_from_a_file(tmp_path: Path) -> None:
    await stored_group()
    lines = [
        {"chat_metadata": {}},
        *(
            {"name": n, "is_user": False, "mes": f"{n} nods.", "original_avatar": f"{n}.png"}
            for n in NAMES[:2]
        ),
    ]
    file = tmp_path / "two.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    async with open_app(character="the table") as app:
        assert app.chat.character_name == "The table"
        await app.chat.run_action("import_chat")
        await app.until(lambda: bool(app.app.screen.query("#answer")))
        app.app.screen.query_one("#answer", Input).value = str(file)
        await app.press("enter")
        await app.until(lambda: app.contents() == ["Ann nods.", "Ben nods."])
        assert app.chat.character_name == "The table"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", [(120, 40), (80, 24), (50, 15)])
async def test_every_dialog_of_groups_fits(language: str, size: tuple[int, int]) -> None:
    await stored_group()
    async with open_app(size) as app:
        app.app.switch_language(language)
        for action, dialog in (
            ("members", GroupDialog),
            ("speak", SpeakerDialog),
            ("new_group", NewGroupDialog),
        ):
            await app.chat.run_action(action)
            await opened(app, dialog)
            rows = app.app.screen.query_one("Rows")
            assert rows.region.height >= 2 and app.app.screen.region.contains_region(rows.region)
            await app.press("escape")
            await app.until(lambda: app.app.screen is app.chat)
    i18n.use("en")


async def test_a_group_goes_on_by_itself_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "0")
    group = await stored_group("pooled")
    async with open_app((50, 15)) as app:
        groups = app.app.runtime.library.groups
        await groups.set(group.id, auto_delay=1)
        await app.chat.objects.opener.group_changed()
        await app.press("alt+a")
        await app.until(lambda: app.chat.status.countdown is not None)
        assert (await groups.get(group.id)).auto_mode
        bar = app.chat.status
        drawn = "".join(strip.text for strip in bar.render_lines(bar.size.region))
        assert "the next one speaks in" in drawn and "esc" in drawn and "…" not in drawn
        await app.until(lambda: len(app.contents()) >= 5)
        await app.write("Wait")
        await app.until(lambda: not app.chat.busy)
        before = len(app.contents())
        await app.pilot.pause(2.5)
        assert len(app.contents()) == before, "nobody is talked over"
        app.chat.prompt.fill("")
        await app.press("escape")
        await app.until(lambda: app.chat.status.countdown is None)
        await app.until(lambda: not app.chat.busy)
        before = len(app.contents())
        await app.pilot.pause(2.2)
        assert len(app.contents()) == before and not (await groups.get(group.id)).auto_mode
