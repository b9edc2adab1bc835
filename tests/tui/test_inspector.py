"""The inspector over real turns: what was sent, why, what was cut, and what changed since."""

from __future__ import annotations

import json

import pytest
from chat_world import Driven, open_app
from model_server import model_server

from lunalux_core.config.config_file import save_model
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import SavedModel, load_settings
from lunalux_core.dialogue.direction import Direction
from lunalux_core.dialogue.turn import TurnOptions
from lunalux_core.runtime import Runtime
from lunalux_tui.chat.inspector.inspector_dialog import InspectorDialog
from lunalux_tui.chat.inspector.views import InspectedRecord, items
from lunalux_tui.i18n import catalogue
from lunalux_tui.parts.amounts import money
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, WARNING

LORE = {
    "entries": {
        "0": {"uid": 0, "key": ["zebra"], "comment": "Stable", "content": "It sleeps. {{nobody}}"},
        "1": {"uid": 1, "key": ["mountain"], "comment": "Mountain", "content": "It is high."},
    }
}
SCRIPT = {"scriptName": "Tea", "findRegex": "/coffee/g", "replaceString": "tea", "placement": [1]}


async def prepare(driven: Driven) -> None:
    library = driven.app.runtime.library
    await library.worldbooks.add("Lore", LORE)
    await library.scripts.add("Tea", SCRIPT)


async def inspect(driven: Driven) -> InspectorDialog:
    await driven.press("alt+i")
    await driven.until(lambda: isinstance(driven.app.screen, InspectorDialog))
    dialog = driven.app.screen
    assert isinstance(dialog, InspectorDialog)
    await driven.until(lambda: dialog._record is not None or dialog.rows.chosen == "")
    await driven.until(lambda: dialog.rows.rows)
    return dialog


def titles(dialog: InspectorDialog) -> list[str]:
    return [row.title for row in dialog.rows.rows]


def marks(dialog: InspectorDialog) -> dict[str, str]:
    return {row.title: row.mark.strip() for row in dialog.rows.rows}


def shown(driven: Driven) -> str:
    strips = driven.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def test_the_last_turn_is_told_in_five_views() -> None:
    async with open_app() as driven:
        await prepare(driven)
        await driven.say("Some coffee for the zebra?")
        dialog = await inspect(driven)
        assert "System prompt" in titles(dialog)
        await driven.press("2")
        assert sum(row.detail.count("█") > 0 for row in dialog.rows.rows) == len(dialog.rows.rows)
        await driven.press("3")
        assert marks(dialog)["Stable"] == "✓"
        assert "zebra" in next(row.detail for row in dialog.rows.rows if row.title == "Stable")
        while dialog._items[dialog.rows.chosen].title != "Stable":
            await driven.press("down")
        assert "goes before the character" in shown(driven)
        await driven.press("4")
        assert titles(dialog) == ["Tea"]
        await driven.press("5")
        assert "{{nobody}}" in titles(dialog)
        await driven.press("escape")
        assert driven.app.screen is driven.chat and not driven.chat.prompt.text


@pytest.mark.parametrize("mode", ["single", "none"])
async def test_a_prompt_that_was_reshaped_for_its_server_says_so(paths: Paths, mode: str) -> None:
    async with model_server(["The lamp ", "burns."]) as url:
        paths.config_file.parent.mkdir(parents=True, exist_ok=True)
        paths.config_file.write_text(
            f'chat.model = "mine"\n[models.mine]\nprovider = "openai"\nmodel = "m"\n'
            f'base_url = "{url}"\npost_process = "{mode}"\n'
        )
        async with open_app() as driven:
            await driven.say("Who keeps the lamp?")
            dialog = await inspect(driven)
            title = "Reshaped for the server"
            assert (title in titles(dialog)) == (mode != "none")
            if mode == "none":
                return
            assert next(row.detail for row in dialog.rows.rows if row.title == title) == mode
            while dialog._items[dialog.rows.chosen].title != title:
                await driven.press("up")
            assert f"sent like this: {mode}" in " ".join(shown(driven).split())


async def test_what_is_written_is_shown_as_it_would_be_sent_and_stays_in_the_prompt() -> None:
    async with open_app() as driven:
        await prepare(driven)
        await driven.write("Up the mountain")
        dialog = await inspect(driven)
        await driven.press("3")
        assert marks(dialog)["Mountain"] == "✓" and marks(dialog)["Stable"] == "·"
        await driven.press("escape")
        assert driven.chat.prompt.text == "Up the mountain" and len(driven.contents()) == 1


async def test_a_prompt_that_cannot_be_made_tells_what_is_in_the_way() -> None:
    async with open_app() as driven:
        await driven.write("x" * 100_000)
        await driven.press("alt+i")
        await driven.until(lambda: isinstance(driven.app.screen, InspectorDialog))
        dialog = driven.app.screen
        assert isinstance(dialog, InspectorDialog)
        await driven.until(lambda: "The prompt needs" in dialog.rows.empty)
        assert "userInput" in shown(driven)
        await driven.press("escape")
        assert len(driven.chat.prompt.text) == 100_000


async def test_keys_that_come_before_the_first_turn_is_read_choose_the_view() -> None:
    async with open_app() as driven:
        await driven.say("The zebra")
        conversation = driven.chat.conversation
        assert conversation is not None
        dialog = InspectorDialog(driven.app.runtime, conversation.id)
        await driven.app.push_screen(dialog)
        assert dialog._record is None
        dialog.action_view("tokens")
        await driven.until(lambda: dialog.rows.rows)
        assert all("█" in row.detail for row in dialog.rows.rows)


async def test_two_turns_are_compared() -> None:
    async with open_app() as driven:
        await prepare(driven)
        await driven.say("The zebra")
        await driven.app.runtime.library.worldbooks.enable(
            (await driven.app.runtime.library.worldbooks.list())[0].id, False
        )
        await driven.say("Silence")
        dialog = await inspect(driven)
        await driven.press("3")
        assert "Stable" not in titles(dialog)
        await driven.press("d")
        await driven.until(lambda: "Stable" in titles(dialog))
        assert marks(dialog)["Stable"] == "−"
        await driven.press("1")
        await driven.until(lambda: "~" in {row.mark for row in dialog.rows.rows})
        changed = next(place for place, row in enumerate(dialog.rows.rows) if row.mark == "~")
        told = [text for text, _ in dialog._items[dialog.rows.rows[changed].id].told()]
        same, hidden = [line for line in told if line.startswith("  ")], "unchanged line"
        assert any(hidden in line for line in same) and len(same) < 40, "what did not change is folded"
        assert any(line.startswith(("+ ", "− ")) for line in told)
        await driven.press("3", "p")
        await driven.until(lambda: marks(dialog).get("Stable") != "−")
        assert marks(dialog)["Stable"] in {"+", "✓"}
        await driven.press("p", "p", "p")  # there is no older turn: it stays
        assert "Stable" in titles(dialog)


async def test_the_changes_between_two_turns_are_walked_through() -> None:
    async with open_app() as driven:
        await prepare(driven)
        await driven.say("The zebra")
        await driven.say("Silence")
        dialog = await inspect(driven)
        await driven.press("d")
        await driven.until(lambda: {"~", "+"} & {row.mark for row in dialog.rows.rows})
        marked = [place for place, row in enumerate(dialog.rows.rows) if row.mark in {"~", "+", "−"}]
        walked = []
        while not walked or dialog.rows.cursor > walked[-1]:
            walked.append(dialog.rows.cursor)
            await walk(driven, "n")
        assert [place for place in walked if place] == [place for place in marked if place]
        assert dialog._at == 1, "n leaves the turn alone while changes are walked through"
        while dialog.rows.cursor > marked[0]:
            before = dialog.rows.cursor, dialog.reader.scroll_offset.y
            await walk(driven, "N")
            assert (dialog.rows.cursor, dialog.reader.scroll_offset.y) < before
        await driven.press("d")
        await driven.until(lambda: not any(row.mark.strip() for row in dialog.rows.rows))
        await driven.press("n")
        await driven.until(lambda: dialog._at == 0)


async def walk(driven: Driven, key: str) -> None:
    """Press a key that walks through changes as long as it moves within one text."""
    dialog = driven.app.screen
    assert isinstance(dialog, InspectorDialog)
    while True:
        row, top = dialog.rows.cursor, dialog.reader.scroll_offset.y
        await driven.press(key)
        await driven.pilot.pause()
        if dialog.rows.cursor != row or dialog.reader.scroll_offset.y == top:
            return


async def test_rows_are_filtered_and_the_whole_record_copied() -> None:
    async with open_app() as driven:
        await prepare(driven)
        await driven.say("The zebra and coffee")
        dialog = await inspect(driven)
        await driven.press("3", "slash", *"sleeps")
        await driven.until(lambda: titles(dialog) == ["Stable"])
        await driven.press("escape")
        await driven.until(lambda: len(titles(dialog)) > 1)
        await driven.press("Y")
        record = json.loads(driven.app.clipboard)
        assert record["scripts"][0]["script"] == "Tea" and record["messages"]
        await driven.press("1", "y")
        assert driven.app.clipboard == record["messages"][0]["content"]


async def test_messages_that_were_cut_are_told_with_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app() as driven:
        for number in range(6):
            await driven.say(f"Story {number}. " + "The lamp burns low tonight. " * 100)
        before = driven.app.runtime.settings.context_tokens
        driven.app.change_setting("chat.context_tokens", "4096")
        assert before != driven.app.runtime.settings.context_tokens
        await driven.say("And then?")
        dialog = await inspect(driven)
        await driven.press("5")
        await driven.until(lambda: any("Story" in title for title in titles(dialog)))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_place_of_an_entry_has_words(language: str) -> None:
    words = catalogue(language)
    assert all(f"inspector.position.{place}" in words for place in (*range(8), "nowhere"))


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (50, 15)])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_hostile_words_are_shown_as_words(
    size: tuple[int, int], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUNALUX_LANG", language)
    async with open_app(size) as driven:
        await driven.say("[red]mark[/] \x1b[2J \u202e evil " + "x" * 5_000)
        dialog = await inspect(driven)
        for view in "12345":
            await driven.press(view)
            for _ in range(3):
                await driven.press("down")
            seen = shown(driven)
            assert "\x1b" not in seen and "\u202e" not in seen
        assert dialog.is_current
        await driven.press("enter", "end", "escape", "escape")
        assert driven.app.screen is driven.chat


async def test_the_text_of_a_completion_is_shown_whole_with_its_sequences() -> None:
    config = SavedModel(
        name="base",
        provider="openai",
        model="m",
        base_url="http://127.0.0.1:9/v1",
        mode="text",
        template="ChatML",
    )
    settings = load_settings()
    save_model(settings.paths.config_file, config)
    async with Runtime.open(load_settings().with_value("chat.model", "base")) as runtime:
        await runtime.first_start()
        character = (await runtime.library.characters.list())[0]
        place = (await runtime.chat.start(character.id)).id
        options = TurnOptions(direction=Direction("Be curt."))
        record = await runtime.chat.previews.record(place, "Good <|im_end|> evening", options)
        (item,) = items("text", InspectedRecord(record))
        runs = list(item.told())
        text = (await runtime.chat.previews.prompt(place, "Good <|im_end|> evening", options)).text
        assert item.joined and item.text == "".join(run for run, _ in runs) == text
        marks = {run for run, style in runs if style == ACCENT | BOLD}
        assert "<|im_end|>" in marks and any(mark.startswith("<|im_start|>") for mark in marks)
        assert any("Be curt." in run for run, style in runs if style == WARNING)
        assert any(style == MUTED for _, style in runs)
        assert not items("text", InspectedRecord({**record, "template": ""}))


async def test_what_a_reply_and_the_chat_took_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "0")
    async with open_app() as driven:
        await driven.say("Good evening")
        await driven.say("And?")
        dialog = await inspect(driven)
        item = next(item for item in dialog._items_by_view["messages"] if item.title == "What it took")
        assert "2 replies" in item.text and "2 replies have no known price" in item.text
        assert "tokens a second" in item.text and item.detail == "no price known"
        await driven.press("6")
        assert dialog.rows.rows == [] and "as messages" in shown(driven)


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        ({"amount": 0.0000123, "currency": "USD"}, "$0.0000123"),
        ({"amount": 0.00207, "currency": "USD"}, "$0.0021"),
        ({"amount": 12.346, "currency": "USD"}, "$12.35"),
        ({"amount": 0, "currency": "USD"}, "$0.00"),
        ({"amount": "x"}, ""),
        ({}, ""),
    ],
)
def test_money_is_told_in_digits_that_count(cost: dict[str, object], words: str) -> None:
    assert money(cost) == words
