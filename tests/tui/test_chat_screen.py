"""The chat screen as a person uses it, on the real library and the practice model."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_world import Driven, open_app, stored_conversation
from model_server import model_server
from textual.command import CommandPalette
from textual.events import Paste
from textual.geometry import Region
from textual.widget import Widget

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_tui.app.help_dialog import HelpDialog
from lunalux_tui.chat.conversations_dialog import ConversationsDialog
from lunalux_tui.chat.search_dialog import SearchDialog
from lunalux_tui.chat.tree_dialog import TreeDialog
from lunalux_tui.parts.edit_dialog import EditDialog
from lunalux_tui.parts.imported_dialog import ImportedDialog
from lunalux_tui.parts.rows import Rows


async def test_first_start_talks_at_once() -> None:
    async with open_app() as driven:
        assert driven.chat.character is not None and driven.chat.character.language == "en"
        assert len(driven.contents()) == 1
        await driven.say("Good evening.")
        greeting, words, reply = driven.contents()
        assert greeting and words == "Good evening." and len(reply) > 20
        assert driven.chat.prompt.text == ""
        assert driven.chat.status.usage and driven.chat.suggestions.suggestions
        assert "thought" in driven.drawn()


async def test_digits_are_words_while_suggestions_stand() -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        assert driven.chat.suggestions.suggestions
        await driven.press("2", "space", *"beers")
        assert driven.chat.prompt.text == "2 beers"
        await driven.press("enter")
        await driven.until(lambda: "2 beers" in driven.contents() and not driven.chat.busy)


async def test_tab_takes_the_suggestions_in_turn_and_leaves_what_is_typed_alone() -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        prompt, offers = driven.chat.prompt, driven.chat.suggestions.suggestions
        for expected in (*offers[:3], ""):
            await driven.press("tab")
            assert prompt.text == expected and prompt.has_focus
        await driven.press("tab", "exclamation_mark")
        assert prompt.text == f"{offers[0]}!"
        await driven.press("tab")
        assert prompt.text == f"{offers[0]}!" and not prompt.has_focus, "tab leads on, as everywhere"


async def test_a_suggestion_takes_one_undo_to_bring_back_what_was_typed() -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        await driven.press(*"half", "alt+2")
        assert driven.chat.prompt.text == driven.chat.suggestions.suggestions[1]
        await driven.press("ctrl+z")
        assert driven.chat.prompt.text == "half"


async def test_again_swipe_and_back() -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        first = driven.contents()[-1]
        await driven.press("ctrl+r")
        await driven.until(lambda: not driven.chat.busy and driven.chat.transcript.messages[-1].swipes == 2)
        second = driven.contents()[-1]
        assert second != first
        await driven.press("escape", "left")
        await driven.until(lambda: driven.contents()[-1] == first)
        assert "‹1/2›" in driven.drawn()
        await driven.press("right", "right")  # beyond the last one a new one is written
        await driven.until(lambda: driven.chat.transcript.messages[-1].swipes == 3 and not driven.chat.busy)


async def test_edit_delete_undo_and_truncate() -> None:
    async with open_app() as driven:
        await driven.say("One")
        await driven.say("Two")
        await driven.press("escape", "up")
        assert driven.chat.objects.messages.target.content == "Two"  # type: ignore[union-attr]
        await driven.press("e")
        await driven.until(lambda: isinstance(driven.app.screen, EditDialog))
        driven.app.screen.query_one("#edit-text").text = "Changed"  # type: ignore[attr-defined]
        await driven.press("ctrl+s")
        await driven.until(lambda: "Changed" in driven.contents())
        await driven.press("d")
        await driven.until(lambda: len(driven.contents()) == 3)
        await driven.press("u")
        await driven.until(lambda: len(driven.contents()) == 5)
        await driven.press("home", "x")
        await driven.until(lambda: len(driven.contents()) == 1)
        await driven.press("u")
        await driven.until(lambda: len(driven.contents()) == 5)


async def test_stop_keeps_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "30")
    async with open_app() as driven:
        await driven.write("Tell me a long story")
        await driven.press("enter")
        await driven.until(lambda: driven.chat.transcript.text_layout.stream_text())
        assert driven.chat.busy and driven.chat.status.writer
        await driven.write("typed meanwhile")
        await driven.press("enter")  # the send lock
        assert len(driven.contents()) == 3
        assert "is being written" in driven.chat.status.told
        await driven.press("escape")
        await driven.until(lambda: not driven.chat.busy and not driven.chat.transcript.streaming)
        assert "is being written" not in driven.chat.status.told
        reply = driven.chat.transcript.messages[-1]
        assert reply.status == "stopped" and reply.content
        assert driven.chat.prompt.text == "typed meanwhile"
        assert "Stopped here" in driven.drawn()


async def test_ctrl_c_stops_the_reply_and_else_tells_how_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "30")
    monkeypatch.setenv("LUNALUX_LANG", "zh")
    async with open_app() as driven:
        await driven.write("Tell me a long story")
        await driven.press("enter")
        await driven.until(lambda: driven.chat.transcript.text_layout.stream_text())
        await driven.press("ctrl+c")
        await driven.until(lambda: not driven.chat.busy and not driven.chat.transcript.streaming)
        assert driven.chat.transcript.messages[-1].status == "stopped"
        assert driven.chat.transcript.messages[-1].finish == "stopped"
        assert not driven.told().strip()
        await driven.press("ctrl+c")
        assert "退出" in driven.told() and "quit" not in driven.told()


@pytest.mark.parametrize(
    ("word", "mark"),
    [("length", "token limit"), ("content_filter", "filter ended"), (None, "before its end"), ("stop", "")],
)
async def test_a_reply_that_did_not_end_by_itself_is_marked(
    monkeypatch: pytest.MonkeyPatch, word: str | None, mark: str
) -> None:
    async with model_server(["The rain ", "has stopped"], finish=word) as url, open_app() as driven:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        driven.app.change_setting("chat.model", "openai:any")
        await driven.say("Hello")
        assert driven.contents()[-1] == "The rain has stopped"
        assert mark in driven.drawn() and ("⚠" in driven.drawn()) == bool(mark)


async def test_thoughts_shown_as_story_move_into_their_fold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pieces = ["She is late.", " Be kind.", "\n</think>\n\n", "The rain", " has stopped."]
    async with model_server(pieces, delay=0.15) as url, open_app() as driven:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        driven.app.change_setting("chat.model", "openai:any")
        await driven.write("Hello")
        await driven.press("enter")
        await driven.until(lambda: "late" in driven.chat.transcript.text_layout.stream_text())
        await driven.until(lambda: driven.chat.transcript.text_layout.stream_text().startswith("The rain"))
        assert "She is late" not in driven.drawn() and "thinking" in driven.drawn()
        await driven.until(lambda: not driven.chat.busy)
        last = driven.chat.transcript.messages[-1]
        assert (last.content, last.thinking) == ("The rain has stopped.", "She is late. Be kind.")


async def test_a_model_that_does_not_answer_is_a_note_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    async with open_app() as driven:
        driven.app.change_setting("chat.model", "openai:nobody")
        await driven.write("Are you there?")
        await driven.press("enter")
        await driven.until(lambda: driven.notes() and not driven.chat.busy)
        assert "Are you there?" in driven.contents()
        assert driven.chat.transcript.messages[-1].status == "failed"
        driven.app.change_setting("chat.model", "practice")
        await driven.press("ctrl+r")
        await driven.until(lambda: not driven.chat.busy and driven.contents()[-1])
        assert not driven.notes() and len(driven.contents()) == 3


async def test_several_conversations_and_search_across_them() -> None:
    async with open_app() as driven:
        await driven.say("The needle in the first chat")
        first = driven.chat.conversation
        await driven.press("ctrl+n")
        await driven.until(lambda: driven.chat.conversation != first and len(driven.contents()) == 1)
        await driven.press("ctrl+l")
        await driven.until(
            lambda: (
                isinstance(driven.app.screen, ConversationsDialog) and len(driven.app.screen.rows.rows) == 2
            )
        )
        await driven.press("escape", "ctrl+f", *"needle")
        await driven.until(
            lambda: isinstance(driven.app.screen, SearchDialog) and driven.app.screen.rows.rows
        )
        await driven.press("enter")
        await driven.until(lambda: driven.chat.conversation.id == first.id)  # type: ignore[union-attr]
        assert "The needle in the first chat" in driven.contents()


async def test_what_was_found_is_counted_and_stands_out_also_after_the_jump() -> None:
    async with open_app() as driven:
        await driven.say("A needle lies elsewhere")
        elsewhere = driven.chat.conversation
        await driven.press("ctrl+n")
        await driven.until(lambda: driven.chat.conversation != elsewhere and len(driven.contents()) == 1)
        await driven.say("One Needle here")
        await driven.press("ctrl+f", *"needle")
        dialog = driven.app.screen
        assert isinstance(dialog, SearchDialog)
        await driven.until(lambda: "One Needle here" in [row.title for row in dialog.rows.rows])
        titles = [row.title for row in dialog.rows.rows]
        assert titles.index("One Needle here") < titles.index("A needle lies elsewhere")
        told = str(dialog.query_one("#dialog").border_subtitle)
        assert told.startswith(f"{len(titles)} found") and "this conversation first" in told
        assert {word.casefold() for word in marked(dialog.rows)} == {"needle"}
        assert len(marked(dialog.rows)) >= len(titles)
        await driven.press("enter")
        await driven.until(lambda: driven.app.screen is driven.chat and driven.chat.transcript.search_words)
        await driven.settle()
        assert "Needle" in marked(driven.chat.transcript)
        await driven.press("escape")
        driven.chat.action_focus_prompt()
        await driven.settle()
        assert marked(driven.chat.transcript) == []


def marked(widget: Widget) -> list[str]:
    """The words that stand out in what a widget draws."""
    strips = widget.render_lines(Region(0, 0, *widget.size))
    return [piece.text for strip in strips for piece in strip if piece.style and piece.style.reverse]


async def test_the_tree_leads_to_another_branch() -> None:
    async with open_app() as driven:
        await driven.say("Left")
        left = driven.chat.transcript.messages[1].id
        await driven.press("escape", "home", "x")
        await driven.until(lambda: len(driven.contents()) == 1)
        await driven.press("i")
        await driven.say("Right")
        await driven.press("ctrl+t")
        await driven.until(lambda: isinstance(driven.app.screen, TreeDialog))
        rows = driven.app.screen.rows  # type: ignore[attr-defined]
        shape = [(row.indent, row.title.split()[0]) for row in rows.rows if row.title in ("Left", "Right")]
        assert shape == [("  ├╴", "Left"), ("  └╴", "Right")] or shape == [
            ("│ ├╴", "Left"),
            ("│ └╴", "Right"),
        ]
        assert all("Marigold Finch: " not in row.title for row in rows.rows)
        assert rows.size.width > 100
        rows.cursor = next(place for place, row in enumerate(rows.rows) if row.id == left)
        await driven.press("enter")
        await driven.until(lambda: "Left" in driven.contents())


async def test_draft_and_place_survive_a_restart() -> None:
    async with open_app() as driven:
        await driven.say("Remember this")
        await driven.write("half a sen")
        await driven.until(lambda: driven.chat.conversation.draft == "half a sen")  # type: ignore[union-attr]
    async with open_app(wait=False) as driven:
        await driven.pilot.pause()
        assert "Remember this" in driven.contents()
        assert driven.chat.prompt.text == "half a sen"


async def test_quitting_keeps_what_was_just_typed() -> None:
    async with open_app() as driven:
        await driven.write("in the middle of")
        await driven.press("ctrl+q")
    async with open_app(wait=False) as driven:
        await driven.until(lambda: driven.chat.prompt.text == "in the middle of")


async def test_long_conversations_are_read_page_by_page() -> None:
    await stored_conversation(2_000)
    async with open_app() as driven:
        transcript = driven.chat.transcript
        assert len(driven.contents()) < 100
        assert driven.contents()[-1].startswith("Message 1999 ")
        for _ in range(14):
            before = driven.contents()[0]
            transcript.scroll_home(animate=False)
            await driven.until(lambda before=before: driven.contents()[0] != before)
        assert len(driven.contents()) <= 660
        assert not driven.contents()[-1].startswith("Message 1999 ")
        for _ in range(40):
            transcript.scroll_end(animate=False)
            await driven.pilot.pause(0.05)
            if driven.contents()[-1].startswith("Message 1999 "):
                break
        assert driven.contents()[-1].startswith("Message 1999 ")


async def test_scrolling_up_while_a_reply_streams_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    await stored_conversation(60)
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "50")
    async with open_app(size=(80, 24)) as driven:
        transcript = driven.chat.transcript
        await driven.write("Go on")
        await driven.press("enter")
        await driven.until(lambda: driven.chat.busy and transcript.streaming)
        transcript.scroll_relative(y=-12, animate=False)
        await driven.pilot.pause()
        place = transcript.scroll_offset.y
        await driven.until(lambda: not driven.chat.busy)
        assert transcript.scroll_offset.y == place
        assert not transcript.at_end


async def test_language_theme_and_size_change_while_running() -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        driven.app.switch_language("zh")
        await driven.pilot.pause()
        assert "思考" in driven.drawn() and driven.chat.prompt.placeholder == "输入消息"
        for theme in driven.app.theme_names():
            driven.app.change_theme(theme)
            await driven.pilot.pause()
        for size in ((40, 10), (80, 24), (200, 60), (20, 5)):
            await driven.pilot.resize_terminal(*size)
            await driven.settle()
        assert len(driven.contents()) == 3


async def test_palette_and_help_reach_what_is_declared() -> None:
    async with open_app() as driven:
        await driven.say("One")
        await driven.press("f1")
        await driven.until(lambda: isinstance(driven.app.screen, HelpDialog))
        await driven.press("escape", "ctrl+p")
        await driven.until(lambda: isinstance(driven.app.screen, CommandPalette))
        await driven.press(*"new chat")
        await driven.settle()
        before = driven.chat.conversation
        await driven.press("enter")
        await driven.until(lambda: driven.chat.conversation != before)


async def test_keys_can_be_changed_by_the_person(home: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text(
        '[keys]\n"chat.tree" = "f9"\n"chat.nothing" = "f10"\n', "utf-8"
    )
    async with open_app() as driven:
        await driven.until(lambda: driven.app.keymap)
        await driven.press("f9")
        await driven.until(lambda: isinstance(driven.app.screen, TreeDialog))


async def test_enter_and_newline_can_be_swapped() -> None:
    async with open_app() as driven:
        await driven.write("one")
        await driven.press("ctrl+j")
        assert driven.chat.prompt.text == "one\n"
        driven.app.change_setting("chat.enter_sends", False)
        await driven.press("enter")
        assert driven.chat.prompt.text == "one\n\n"
        await driven.press("ctrl+j")
        await driven.until(lambda: len(driven.contents()) == 3)


async def test_a_wrong_character_is_told_on_the_screen() -> None:
    async with open_app(character="Nobody at all", wait=False) as driven:
        await driven.until(driven.notes)
        assert "Nobody at all" in driven.notes()[0]


async def test_import_of_cards_tells_what_failed(home: Path, tmp_path: Path) -> None:
    good = tmp_path / "cards"
    good.mkdir()
    (good / "card.json").write_text('{"spec":"chara_card_v2","data":{"name":"Brought","first_mes":"Hi [b]"}}')
    (good / "bad.json").write_text("{")
    async with open_app() as driven:
        driven.chat.run_worker(driven.chat.objects.files.import_cards([str(good)]), group="dialog")
        await driven.until(lambda: isinstance(driven.app.screen, ImportedDialog))
        rows = driven.app.screen.query_one("#choices", Rows)
        await driven.until(lambda: [row.mark for row in rows.rows][:1] == ["✗"])
        assert rows.rows[0].title == "bad.json" and rows.rows[0].detail
        await driven.press("escape")
        await driven.until(lambda: driven.chat.character_name == "Brought")
        await driven.settle()
        assert driven.contents() == ["Hi [b]"] and "Hi [b]" in driven.drawn()


async def test_a_dropped_card_is_imported_when_that_is_meant(tmp_path: Path) -> None:
    card = tmp_path / "Tom O'Dell.json"
    card.write_bytes(export_card(Card.new("Tom", first_mes="Hi, I am Tom."), "json"))
    async with open_app() as app:
        app.chat.prompt.post_message(Paste(f'"{card}"'))
        await app.until(lambda: type(app.app.screen).__name__ == "ConfirmDialog")
        await app.press("y")
        await app.until(lambda: app.chat.character_name == "Tom")
        assert app.chat.prompt.text == ""


async def test_paths_and_controls_in_a_paste_are_a_text_otherwise(tmp_path: Path) -> None:
    card = tmp_path / "card.json"
    card.write_text("{}")
    async with open_app() as app:
        app.chat.prompt.post_message(Paste(str(card)))
        await app.until(lambda: type(app.app.screen).__name__ == "ConfirmDialog")
        await app.press("escape")
        await app.until(lambda: app.chat.prompt.text == str(card))
        app.chat.prompt.select_all()
        app.chat.prompt.post_message(Paste("one\x1b[2J\x07\r\ntwo /no/such/file.png"))
        await app.until(lambda: app.chat.prompt.text == "one\ntwo /no/such/file.png")


async def test_the_tree_opens_at_the_newest_message() -> None:
    async with open_app() as driven:
        await driven.say("Hello")
        await driven.press("ctrl+t")
        await driven.until(lambda: isinstance(driven.app.screen, TreeDialog))
        rows = driven.app.screen.rows  # type: ignore[attr-defined]
        await driven.until(lambda: rows.chosen == driven.chat.transcript.messages[-1].id)


@pytest.mark.parametrize("height", [40, 24])
async def test_the_tree_shows_the_whole_message_under_the_cursor(height: int) -> None:
    async with open_app(size=(80, height)) as driven:
        await driven.say("Hello " + "and how are you " * 12 + "my dear?")
        await driven.press("ctrl+t")
        await driven.until(lambda: isinstance(driven.app.screen, TreeDialog))
        assert "dear?" not in screen_text(driven)
        await driven.press("up")
        await driven.until(lambda: "dear?" in screen_text(driven))


def screen_text(driven: Driven) -> str:
    strips = driven.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)
