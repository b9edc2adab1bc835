"""Slash commands in the prompt: the list that completes them, and scripts on the open conversation."""

from __future__ import annotations

import pytest
from chat_world import Driven, open_app

from lunalux_core.library.conversations import Message
from lunalux_core.stscript.quick_reply_files import read_set
from lunalux_tui.chat.slash_host import OFFERS
from lunalux_tui.chat.slash_list import SlashList

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "0")


def commands(driven: Driven) -> SlashList:
    return driven.chat.query_one(SlashList)


def offered(driven: Driven) -> list[str]:
    return [row.id for row in commands(driven).rows]


def last(driven: Driven) -> Message:
    return driven.chat.transcript.messages[-1]


async def run(driven: Driven, script: str) -> None:
    """Run a line and wait for its end."""
    driven.chat.prompt.fill("")
    await driven.write(script)
    await driven.press("enter")
    await driven.until(lambda: not driven.chat.busy)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 16)])
async def test_the_list_follows_what_is_typed_and_completes_it(size: tuple[int, int]) -> None:
    async with open_app(size) as driven:
        await driven.press("/")
        assert commands(driven).display and set(OFFERS) <= set(offered(driven))
        assert "gen" in offered(driven)
        assert 1 <= commands(driven).size.height <= 8
        await driven.press("s", "e", "n")
        assert offered(driven) == ["send", "sendas"]
        await driven.press("down", "tab")
        assert driven.chat.prompt.text == "/sendas "
        assert [row.title for row in commands(driven).rows] == ["/sendas         Adds a message as name=."]
        await driven.press(*"name=Bob hi | /ec", "enter")
        assert driven.chat.prompt.text == "/sendas name=Bob hi | /echo "


async def test_escape_closes_the_list_and_a_click_takes_a_command() -> None:
    async with open_app() as driven:
        await driven.press("/", "s", "e")
        await driven.press("escape")
        assert not commands(driven).display and driven.chat.prompt.has_focus
        assert driven.chat.prompt.text == "/se"
        await driven.press("n")
        assert commands(driven).display
        await driven.pilot.click(SlashList, offset=(3, 1))
        await driven.settle()
        assert driven.chat.prompt.text == "/sendas " and driven.chat.prompt.has_focus


async def test_words_and_instructions_open_no_list() -> None:
    async with open_app() as driven:
        before = len(driven.contents())
        for words in ("a /send", " /send", "//send"):
            driven.chat.prompt.fill("")
            await driven.press(*words)
            assert not commands(driven).display, words
        driven.chat.prompt.fill("")
        await driven.say(" /shrug")
        assert driven.contents()[before] == "/shrug"


async def test_lines_of_a_script_are_stored_and_variables_stay_with_the_branch() -> None:
    async with open_app() as driven:
        await run(driven, "/send One | /sendas name=Ghost Boo! | /sys Night falls. | /setvar key=mood glad")
        lines = [(one.role, one.content) for one in driven.chat.transcript.messages[-3:]]
        assert lines == [("user", "One"), ("assistant", "Boo!"), ("system", "Night falls.")]
        assert driven.chat.prompt.text == "" and last(driven).name != "Ghost"
        await run(driven, "/echo {{getvar::mood}} {{user}}")
        assert "glad" in driven.chat.status.told and "{{" not in driven.chat.status.told
        await run(driven, "/comment for later")
        assert last(driven).hidden and last(driven).content == "for later"
        await run(driven, "/getvar mood")
        assert driven.chat.status.told == "glad"


async def test_turns_of_a_script_run_one_after_another() -> None:
    async with open_app() as driven:
        before = len(driven.contents())
        await run(driven, "/send Good evening | /trigger | /swipe | /echo done")
        assert len(driven.contents()) == before + 2 and last(driven).role == "assistant"
        assert last(driven).swipes == 2 and "done" in driven.told()
        grown = last(driven).content
        await run(driven, "/continue")
        assert len(last(driven).content) > len(grown)
        await run(driven, "/impersonate")
        assert driven.chat.prompt.text and not driven.chat.prompt.text.startswith("/")


async def test_setinput_and_questions() -> None:
    async with open_app() as driven:
        await run(driven, "/setinput Hello there")
        assert driven.chat.prompt.text == "Hello there"
        driven.chat.prompt.fill("")
        await driven.write("/input Name? | /setinput I am {{pipe}}")
        await driven.press("enter")
        await driven.until(lambda: driven.app.screen is not driven.chat)
        await driven.press(*"Ann", "enter")
        await driven.until(lambda: not driven.chat.busy)
        assert driven.chat.prompt.text == "I am Ann"


async def test_dice_are_told_in_the_chat() -> None:
    async with open_app() as driven:
        before = len(driven.contents())
        await run(driven, "/roll 2d1+3 | /echo sum {{pipe}}")
        assert last(driven).role == "system" and last(driven).content.endswith("2d1+3: 1 1 = 5")
        assert "sum 5" in driven.told()
        await run(driven, "/roll quiet=true 3d1")
        assert len(driven.contents()) == before + 1


@pytest.mark.parametrize(
    ("script", "named", "cursor"),
    [
        ("/echo hi | /nosuch x", ("column 12", "/nosuch"), (0, 11)),
        ("/echo a |\n  /sendas Boo", ("Line 2, column 3", "name"), (1, 2)),
        ("/send", ("column 1", "words"), (0, 0)),
        ("/persona Nobody", ("column 1", "/persona", "Nobody"), (0, 0)),
        ("/inject Rain", ("column 1", "id="), (0, 0)),
        ("/roll many", ("column 1", "many"), (0, 0)),
    ],
)
async def test_an_error_is_placed_and_keeps_what_was_typed(
    script: str, named: tuple[str, ...], cursor: tuple[int, int]
) -> None:
    async with open_app() as driven:
        before = driven.contents()
        await run(driven, script)
        (note,) = driven.notes()
        assert all(word in note for word in named), note
        assert driven.chat.prompt.text == script and driven.contents() == before
        assert driven.chat.prompt.cursor_location == cursor


@pytest.mark.parametrize("script", ["/delay 60000", "/while guard=off left=1 right=1 {: /delay 5 :}"])
async def test_escape_stops_a_script(script: str) -> None:
    async with open_app() as driven:
        await driven.write(f"/setvar key=was here | {script}")
        await driven.press("enter")
        await driven.until(lambda: driven.chat.status.scripting)
        await driven.pilot.pause(0.1)
        await driven.press("escape")
        await driven.until(lambda: not driven.chat.busy)
        assert "stopped" in driven.told() and driven.chat.prompt.text.endswith(script)
        await run(driven, "/getvar was")
        assert driven.chat.status.told == "here"


async def test_escape_stops_the_reply_that_a_script_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "5")
    async with open_app() as driven:
        await driven.write("/send Hi | /trigger | /send Bye")
        await driven.press("enter")
        await driven.until(lambda: driven.chat.status.writer)
        await driven.press("escape")
        await driven.until(lambda: not driven.chat.busy)
        assert "Hi" in driven.contents() and "Bye" not in driven.contents()


async def test_run_finds_the_quick_replies_of_the_library() -> None:
    async with open_app() as driven:
        document = {
            "version": 2,
            "name": "Dice",
            "qrList": [{"id": 1, "label": "d1", "message": "/echo one"}],
        }
        await driven.app.runtime.library.quick_replies.add(read_set(document))
        await run(driven, "/run Dice.d1")
        assert driven.chat.status.told == "one"


async def test_messages_are_read_and_hidden_by_their_numbers() -> None:
    async with open_app() as driven:
        start = len(driven.contents())
        await run(driven, "/send One | /send Two | /send Three")
        await run(driven, f"/hide {start}-{start + 1} | /messages names=off {start}-{start + 1}")
        assert [one.hidden for one in driven.chat.transcript.messages[-3:]] == [True, True, False]
        await run(driven, f"/unhide {start} | /messages names=off {start}-{start + 1} | /echo")
        assert driven.chat.status.told == "One Two"
        assert [one.hidden for one in driven.chat.transcript.messages[-3:]] == [False, True, False]


async def test_buttons_are_chosen_and_every_echo_is_told() -> None:
    async with open_app(notices=True) as driven:
        await driven.write('/buttons labels=["Left","Right"] Where? | /echo I go {{pipe}} | /echo And on')
        await driven.press("enter")
        await driven.until(lambda: driven.app.screen is not driven.chat)
        await driven.press("down", "enter")
        await driven.until(lambda: not driven.chat.busy)
        assert driven.chat.status.told == "I go Right" and "And on" in driven.told()


async def test_a_reply_that_fails_ends_the_script_and_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app() as driven:
        await run(driven, "/setglobalvar key=place the shop | /setvar key=n 1")
        driven.app.change_setting("chat.model", "openai:nowhere")
        script = "/incvar n | /trigger | /incvar n"
        await run(driven, script)
        assert driven.chat.prompt.text == script and len(driven.notes()) == 1
        driven.app.change_setting("chat.model", "practice")
        await run(driven, "/echo {{getvar::n}} {{getglobalvar::place}}")
        assert driven.chat.status.told == "2 the shop"


async def test_another_conversation_ends_the_script_of_the_one_before() -> None:
    async with open_app() as driven:
        await driven.write("/delay 300 | /send Late")
        await driven.press("enter")
        await driven.until(lambda: driven.chat.status.scripting)
        await driven.chat.objects.opener.open_again(new=True)
        await driven.until(lambda: not driven.chat.busy)
        await driven.pilot.pause(0.5)
        assert "Late" not in driven.contents() and not driven.chat.status.scripting


async def test_a_quick_reply_is_chosen_by_a_key_and_run_sent_or_put_into_the_prompt() -> None:
    async with open_app() as driven:
        await driven.press("alt+q")
        await driven.until(lambda: "quick" in driven.told())
        replies = [
            {"id": 1, "label": "shout", "message": "/upper {{input}} | /setinput"},
            {"id": 2, "label": "wave", "message": "I wave."},
            {"id": 3, "label": "secret", "message": "/echo no", "isHidden": True},
        ]
        shelf = driven.app.runtime.library.quick_replies
        await shelf.add(read_set({"version": 2, "name": "Moves", "qrList": replies}))
        await shelf.add(
            read_set({"version": 2, "name": "Words", "disableSend": True, "qrList": replies[1:2]})
        )

        async def choose(place: int) -> None:
            await driven.press("alt+q")
            await driven.until(lambda: driven.app.screen is not driven.chat)
            await driven.press(*["down"] * place, "enter")
            await driven.until(lambda: driven.app.screen is driven.chat)
            await driven.settle()
            await driven.until(lambda: not driven.chat.busy)

        await driven.write("hello")
        await choose(0)
        assert driven.chat.prompt.text == "HELLO"
        await choose(2)
        assert driven.chat.prompt.text == "HELLO I wave."
        before = len(driven.contents())
        await choose(1)
        await driven.until(lambda: len(driven.contents()) == before + 2 and not driven.chat.busy)
        assert driven.contents()[before] == "I wave." and driven.chat.prompt.text == "HELLO I wave."


async def test_a_script_begins_a_chat_and_what_it_cuts_comes_back() -> None:
    async with open_app() as driven:
        await driven.say("Good evening")
        first, words = driven.chat.conversation, driven.contents()
        assert first is not None
        await run(driven, "/del 1")
        assert driven.contents() == words[:-1] and driven.chat.prompt.text == ""
        await driven.press("escape", "u")
        await driven.until(lambda: driven.contents() == words)
        driven.chat.prompt.focus()
        await run(driven, "/newchat | /sys The next day. | /renamechat Day two")
        second = driven.chat.conversation
        assert second is not None and second.id != first.id and driven.contents()[-1] == "The next day."
        assert driven.chat.prompt.text == "" and driven.chat.header.conversation == "Day two"
        assert (await driven.app.runtime.library.conversations.get(first.id)).draft == ""
        # What fails behind it does not lose the script.
        await run(driven, "/newchat | /cut 99")
        assert driven.chat.prompt.text == "/newchat | /cut 99" and any(
            "99" in note for note in driven.notes()
        )
        assert driven.chat.conversation is not None and driven.chat.conversation.id != second.id
