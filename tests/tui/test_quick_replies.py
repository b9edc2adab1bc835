"""Quick replies in the app: buttons above the prompt, those that run by themselves, sets in force."""

from __future__ import annotations

from typing import Any

import pytest
from chat_world import Driven, open_app

from lunalux_core.library.quick_replies import ReplyUse
from lunalux_core.runtime import Runtime
from lunalux_core.stscript.quick_reply_files import read_set
from lunalux_tui.chat.reply_bar import ReplyBar
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Rows

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "0")


def reply(number: int, label: str, message: str, **fields: Any) -> dict[str, Any]:
    return {"id": number, "label": label, "message": message, **fields}


async def put(
    runtime: Runtime, name: str, *replies: dict[str, Any], allow: bool | None = True, **of: Any
) -> str:
    """A set in force everywhere; its id."""
    shelf = runtime.library.quick_replies
    stored, _ = await shelf.add(read_set({"version": 2, "name": name, "qrList": list(replies), **of}))
    await shelf.use(ReplyUse("global", "", stored.id))
    if allow is not None:
        await shelf.allow(stored.id, allow)
    return stored.id


async def bar(driven: Driven) -> str:
    """The line of buttons as it is drawn."""
    bars = driven.chat.query(ReplyBar)
    if not bars:
        return ""
    return "".join(segment.text for segment in bars.first().render_lines(bars.first().size.region)[0])


async def followed(driven: Driven) -> None:
    await driven.chat.objects.quick_replies.follow()
    await driven.settle()


async def settled(driven: Driven) -> None:
    await driven.settle()
    await driven.until(lambda: not driven.chat.busy)


async def test_buttons_are_pressed_by_key_and_mouse_and_hidden_ones_are_left_out() -> None:
    async with open_app() as driven:
        await put(
            driven.app.runtime,
            "Moves",
            reply(1, "shout", "/upper {{input}} | /setinput"),
            reply(2, "secret", "/echo no", isHidden=True),
            reply(3, "dice", "/echo rolled", icon="fa-dice", showLabel=False),
            reply(4, "wave", "I wave.", icon="fa-nosuch"),
            color="rgba(200, 30, 30, 1)",
        )
        assert not driven.chat.query(ReplyBar)
        await followed(driven)
        assert (await bar(driven)).split() == ["4", "shout", "5", "⚄", "6", "wave"]
        await driven.write("hello")
        await driven.press("alt+4")
        await settled(driven)
        assert driven.chat.prompt.text == "HELLO"
        await driven.pilot.click(ReplyBar, offset=((await bar(driven)).index("⚄"), 0))
        await settled(driven)
        assert driven.chat.status.told == "rolled"
        await driven.press("alt+6")
        await driven.until(lambda: "I wave." in driven.contents() and not driven.chat.busy)
        await driven.press("alt+9")
        assert driven.chat.prompt.text == "HELLO"


async def test_a_reply_opens_a_menu_of_further_sets_by_key_mouse_and_list() -> None:
    async with open_app() as driven:
        runtime = driven.app.runtime
        for name, replies in (
            ("Inner", [reply(1, "loud", "/upper | /setinput", contextList=[{"set": "Inner"}])]),
            ("Deep", [reply(1, "tell", "/setinput told %%parent%%")]),
            (
                "Mid",
                [reply(1, "more", "", contextList=[{"set": "Deep"}]), reply(2, "no", "/echo", isHidden=True)],
            ),
        ):
            await runtime.library.quick_replies.add(read_set({"name": name, "qrList": replies}))
        await put(
            runtime,
            "Top",
            reply(1, "words", "/pass {{input}}", contextList=[{"set": "Inner", "isChained": True}]),
            reply(2, "burger", " ", contextList=[{"set": "Mid"}, {"set": "nosuch"}]),
            reply(3, "plain", "/setinput plain", contextList=[{"set": "nosuch"}]),
        )
        await followed(driven)
        assert (await bar(driven)).split() == ["4", "words", "▾", "5", "burger", "▾", "6", "plain"]
        await driven.write("hello")
        await driven.pilot.click(ReplyBar, offset=((await bar(driven)).index("▾"), 0))
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
        assert [row.title for row in driven.app.screen.query_one(Rows).rows] == ["loud"]
        await driven.press("enter")
        await driven.until(lambda: driven.chat.prompt.text == "HELLO" and not driven.chat.busy)
        await driven.press("alt+5")
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
        assert [row.title for row in driven.app.screen.query_one(Rows).rows] == ["more ▸"]
        await driven.press("enter")
        await driven.until(lambda: [row.title for row in driven.app.screen.query_one(Rows).rows] == ["tell"])
        await driven.press("enter")
        await driven.until(lambda: driven.chat.prompt.text == "told more" and not driven.chat.busy)
        await driven.press("alt+q")
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
        await driven.press(*"words", "enter")
        await driven.until(
            lambda: [row.title for row in driven.app.screen.query_one(Rows).rows] == ["words", "loud"]
        )
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is driven.chat)
        assert driven.chat.prompt.text == "told more"


@pytest.mark.parametrize("size", [(120, 40), (40, 16), (24, 12)])
async def test_the_bar_shrinks_with_the_width_and_can_be_switched_off(size: tuple[int, int]) -> None:
    async with open_app(size) as driven:
        await put(
            driven.app.runtime, "Many", *(reply(n, f"button {n}", f"/setinput {n}") for n in range(1, 30))
        )
        await followed(driven)
        drawn = await bar(driven)
        assert "4 button 1" in drawn and len(drawn.rstrip()) <= size[0]
        assert driven.chat.query_one(ReplyBar).size.height == 1
        driven.chat.action_reply_buttons()
        await driven.until(lambda: not driven.chat.query(ReplyBar))
        await driven.press("alt+4")
        assert driven.chat.prompt.text == "" and not driven.app.runtime.settings.reply_buttons
        driven.chat.action_reply_buttons()
        await driven.until(lambda: driven.chat.query(ReplyBar))


async def test_replies_run_by_themselves_at_their_moments_once_they_are_allowed() -> None:
    async with Runtime.open() as runtime:
        await runtime.first_start()
        await put(
            runtime,
            "Auto",
            reply(1, "start", "/addglobalvar key=log start;", executeOnStartup=True),
            reply(2, "open", "/addglobalvar key=log chat;", executeOnChatChange=True),
            reply(3, "new", "/addglobalvar key=log new;", executeOnNewChat=True),
            reply(4, "user", "/addglobalvar key=log user-{{lastMessage}};", executeOnUser=True),
            reply(5, "gen", "/addglobalvar key=log gen;", executeBeforeGeneration=True),
            reply(6, "ai", "/addglobalvar key=log ai;", executeOnAi=True),
        )

    async def log(driven: Driven) -> str:
        from lunalux_core.library.program_state import load_globals

        return (await driven.app.runtime.library.database.read(load_globals)).get("log", "")

    async with open_app() as driven:
        await settled(driven)
        await driven.until(lambda: driven.chat.objects.replies_in_use)
        await settled(driven)
        assert await log(driven) == "start;chat;new;"
        await driven.say("Hi")
        await settled(driven)
        assert (await log(driven)).removeprefix("start;chat;new;") == "user-Hi;gen;ai;"
        assert driven.contents()[-2] == "Hi" and driven.chat.prompt.text == ""
        await driven.chat.objects.opener.open_again(new=True)
        await settled(driven)
        assert (await log(driven)).endswith("ai;chat;new;")


async def test_what_comes_with_a_set_runs_only_when_the_person_says_so_once() -> None:
    async with open_app() as driven:
        identity = await put(
            driven.app.runtime, "Wild", reply(1, "me", "/send gotcha", executeOnAi=True), allow=None
        )
        driven.chat.run_in("replies", driven.chat.objects.quick_replies.follow)
        await driven.until(lambda: driven.app.screen is not driven.chat)
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is driven.chat)
        await driven.say("Hi")
        await settled(driven)
        assert "gotcha" not in driven.contents()
        await followed(driven)
        assert driven.app.screen is driven.chat  # asked once
        await driven.app.runtime.library.quick_replies.allow(identity, True)
        await followed(driven)
        await driven.say("Hi again")
        await settled(driven)
        assert driven.contents()[-1] == "gotcha"


async def test_replies_that_set_each_other_off_end() -> None:
    async with open_app() as driven:
        free = {"executeOnAi": True, "preventAutoExecute": False}
        await put(
            driven.app.runtime,
            "Loop",
            reply(1, "one", "/addglobalvar key=n 1 | /trigger", **free),
            reply(2, "two", "/addglobalvar key=n 1 | /trigger", **free),
        )
        await followed(driven)
        before = len(driven.contents())
        await driven.say("Go")
        await driven.until(lambda: not driven.chat.busy, 60)
        await settled(driven)
        assert before + 2 < len(driven.contents()) < before + 14


async def test_a_reply_that_prevents_others_keeps_them_from_running() -> None:
    async with open_app() as driven:
        await put(
            driven.app.runtime,
            "Set",
            reply(1, "after", "/addglobalvar key=n 1", executeOnAi=True),
            reply(2, "ask", "/trigger", preventAutoExecute=True),
            reply(3, "free", "/trigger", preventAutoExecute=False),
        )
        await followed(driven)
        await driven.say("Hi")
        await settled(driven)
        for key, number in (("alt+5", "1"), ("alt+6", "2")):
            await driven.press(key)
            await settled(driven)
            await driven.write("/getglobalvar n")
            await driven.press("enter")
            await settled(driven)
            assert driven.chat.status.told == number


async def test_an_entry_of_a_worldbook_sets_a_reply_off() -> None:
    async with open_app() as driven:
        runtime = driven.app.runtime
        entry = {"uid": 1, "key": ["storm"], "content": "A storm.", "automationId": "weather"}
        await runtime.library.worldbooks.add("Sky", {"entries": {"1": entry}})
        await put(
            runtime,
            "Set",
            reply(1, "w", "/setinput thunder", automationId="weather"),
            reply(2, "x", "/setinput never", automationId="other"),
        )
        await followed(driven)
        await driven.say("Nothing")
        await settled(driven)
        assert driven.chat.prompt.text == ""
        await driven.say("A storm comes")
        await settled(driven)
        assert driven.chat.prompt.text == "thunder"


async def test_a_reply_before_a_turn_changes_its_prompt_and_cannot_ask_for_another() -> None:
    async with open_app(notices=True) as driven:
        runtime = driven.app.runtime
        await put(
            runtime,
            "Set",
            reply(1, "w", "/inject id=now ephemeral=true It rains.", executeOnUser=True),
            reply(2, "x", "/trigger", executeBeforeGeneration=True),
        )
        await followed(driven)
        await driven.say("Hi")
        await settled(driven)
        records = runtime.library.records
        assert driven.chat.conversation is not None
        record = await records.get((await records.list(driven.chat.conversation.id))[0].number)
        assert [held["content"] for held in record["injections"]] == ["It rains."]
        assert "/trigger" in driven.told()


async def test_members_of_a_group_are_announced_before_they_speak() -> None:
    async with open_app() as driven:
        runtime = driven.app.runtime
        characters = await runtime.library.characters.list()
        group = await runtime.library.groups.create("Watch", [one.id for one in characters[:2]])
        await runtime.library.groups.set(group.id, order="list")
        await put(runtime, "Set", reply(1, "m", "/addglobalvar key=n 1", executeOnGroupMemberDraft=True))
        await driven.chat.objects.opener.open_group(group.id)
        await settled(driven)
        await followed(driven)
        await driven.write("Hello all")
        await driven.press("enter")
        await settled(driven)
        await driven.write("/getglobalvar n")
        await driven.press("enter")
        await settled(driven)
        assert driven.chat.status.told == "2"
        assert [one.role for one in driven.chat.transcript.messages[-3:]] == [
            "user",
            "assistant",
            "assistant",
        ]


async def test_sets_are_put_in_force_by_the_dialog() -> None:
    async with open_app() as driven:
        runtime = driven.app.runtime
        stored, _ = await runtime.library.quick_replies.add(
            read_set({"version": 2, "name": "Moves", "qrList": [reply(1, "wave", "/echo wave")]})
        )
        driven.chat.perform("reply_sets")
        await driven.until(lambda: driven.app.screen is not driven.chat)
        await driven.press("enter")
        await driven.settle()
        await driven.press("down", "down", "enter")
        await driven.until(lambda: driven.chat.objects.quick_replies.buttons)
        (use,) = await runtime.library.quick_replies.uses()
        assert use.scope == "chat" and use.visible and use.set_id == stored.id
        await driven.settle()
        await driven.press("down", "down", "enter")
        await driven.until(lambda: not driven.chat.objects.quick_replies.buttons)
        await driven.settle()
        await driven.press("down", "down", "enter")
        await driven.settle()
        assert await runtime.library.quick_replies.uses() == []
