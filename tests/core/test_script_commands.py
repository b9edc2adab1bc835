"""Commands of scripts on a conversation: on a real library, with the practice model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunalux_core.chat.script_setting import script_setting
from lunalux_core.chat.scripts.conversation_host import MOST_ASKED, OFFERS, ConversationHost
from lunalux_core.config.settings import load_settings
from lunalux_core.dialogue.turn import TurnEvent, TurnOptions
from lunalux_core.errors import LunaluxError
from lunalux_core.runtime import Runtime
from lunalux_core.stscript.commands.command_table import everything
from lunalux_core.stscript.faults import SENTENCES
from lunalux_core.stscript.interpreter import Interpreter, ScriptOutcome
from lunalux_core.stscript.quick_reply_files import read_set
from lunalux_core.stscript.run_limits import Limits

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "0")


class Surface:
    """A person who answers every question with the same word, and who sees what is shown."""

    asks = True
    panes: Sequence[str] = ("memory",)

    def __init__(self) -> None:
        self.echoes: list[str] = []
        self.typed = ""
        self.model = ""
        self.opened = ""

    def open_pane(self, name: str) -> None:
        self.echoes.append(f"pane {name}")

    def options(self) -> TurnOptions:
        return TurnOptions(model=self.model)

    def words(self, key: str, **values: object) -> str:
        return f"{key} {' '.join(map(str, values.values()))}".strip()

    def command_help(self, key: str) -> str:
        return key

    def told(self, error: LunaluxError) -> str:
        return error.message

    async def echo(self, text: str, severity: str, title: str) -> None:
        self.echoes.append(text)

    async def ask_text(self, question: str, default: str) -> str:
        return default or "answer"

    async def show_text(self, text: str) -> None:
        self.echoes.append(text)

    async def choose(self, question: str, labels: Sequence[str]) -> str:
        return labels[0]

    async def put_typed(self, text: str) -> None:
        self.typed = text

    async def take_turn(self, events: AsyncIterator[TurnEvent], *, impersonate: bool = False) -> None:
        async with aclosing(events) as steps:  # type: ignore[type-var]
            async for _ in steps:
                pass

    async def open_chat(self, conversation_id: str) -> None:
        self.opened = conversation_id

    async def messages_changed(self, *, to_end: bool = False) -> None:
        """Nothing is shown."""

    async def surroundings_changed(self) -> None:
        """Nothing is shown."""

    async def use_model(self, name: str) -> None:
        self.model = name

    async def use_preset(self, key: str) -> None:
        self.echoes.append(key)


class World:
    """One conversation in a library of its own."""

    def __init__(self, runtime: Runtime, place: str) -> None:
        self.runtime = runtime
        self.place = place
        self.surface = Surface()

    async def run(self, script: str, limits: Limits | None = None, *, turns: bool = True) -> ScriptOutcome:
        setting = await script_setting(self.runtime.chat.previews, self.place, self.surface.options())
        host = ConversationHost(self.runtime, self.surface, self.place, setting, turns=turns)
        interpreter = Interpreter(host, everything(host.offers), setting, limits)
        host.stores = interpreter.stores
        outcome = await interpreter.run(script)
        await host.keep_variables()
        return outcome

    async def pipe(self, script: str) -> str | None:
        outcome = await self.run(script)
        assert outcome.error is None, outcome.error
        return outcome.pipe

    async def failure(self, script: str) -> str:
        error = (await self.run(script)).error
        assert error is not None, script
        return f"{error.code} {error.message}"

    async def contents(self) -> list[str]:
        return [message.content for message in await self.runtime.library.conversations.page(self.place)]

    async def prompt(self, text: str = "go on") -> str:
        prompt = await self.runtime.chat.previews.prompt(self.place, text)
        return "\n".join(message.content for message in prompt.messages)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with Runtime.open(load_settings()) as runtime:
        await runtime.first_start()
        sol = await runtime.library.characters.find("Captain Sol Varga")
        yield World(runtime, (await runtime.chat.start(sol.id)).id)


async def test_a_model_is_asked_beside_the_story_and_the_story_stays_as_it_is() -> None:
    async with world() as w:
        before = await w.contents()
        assert await w.pipe("/gen name a colour")
        assert await w.pipe("/genraw system=Short. length=50 Say hi")
        assert await w.pipe("/ask name=Marigold who are you") != await w.pipe("/ask name=Sol who are you")
        assert await w.contents() == before
        assert "name=" in await w.failure("/ask who") and "TEXT" in await w.failure("/genraw")
        # Sets inject what they want and then ask without a word.
        assert await w.pipe("/inject id=w ephemeral=true position=chat depth=0 Rain. | /gen | /pass {{pipe}}")
        assert await w.pipe("/listinjects") == "{}"
        assert "Nobody" in await w.failure("/ask name=Nobody who")
        assert "length=" in await w.failure("/gen length=many x")


async def test_a_loop_of_requests_to_a_model_ends() -> None:
    async with world() as w:
        outcome = await w.run("/while guard=off left=1 right=1 {: /incvar n | /gen x :}")
        assert outcome.error is not None and outcome.error.code == "SCRIPT_TOO_MANY_REPLIES"
        assert outcome.local["n"] == MOST_ASKED + 1


async def test_injected_texts_stand_in_the_prompts_until_they_are_taken_out() -> None:
    async with world() as w:
        await w.pipe(
            "/inject id=rain position=chat depth=1 role=user Rain falls on {{char}}. | "
            "/inject id=first position=before First of all. | /inject id=after Behind it. | "
            "/inject id=keys position=none scan=true the Halcyon key"
        )
        prompt = await w.prompt()
        assert "Rain falls on Captain Sol Varga." in prompt or "Rain falls on Sol." in prompt
        assert "First of all." in prompt and "Behind it." in prompt and "Halcyon key" not in prompt
        record = await w.runtime.chat.previews.record(w.place, "go on")
        assert [held["id"] for held in record["injections"]] == ["rain", "first", "after", "keys"]
        listed = json.loads(await w.pipe("/listinjects") or "")
        assert list(listed) == ["rain", "first", "after", "keys"] and listed["rain"]["role"] == "user"
        await w.pipe("/inject id=rain Snow. | /flushinject first | /inject id=after")
        assert list(json.loads(await w.pipe("/listinjects") or "")) == ["keys", "rain"]
        await w.pipe("/flushinject")
        assert await w.pipe("/listinjects") == "{}" and "Snow" not in await w.prompt()


async def test_an_out_of_character_note_stands_behind_every_message_until_it_is_taken_away() -> None:
    async with world() as w:
        assert await w.pipe("/ooc") == ""
        await w.pipe('/ooc No "modern" words.')
        story, _, note = (await w.prompt("Hello?")).partition('[OOC: No "modern" words.]')
        assert "OOC" not in note and "Hello?" in story and "Hello?" not in note
        assert await w.pipe("/ooc") == 'No "modern" words.'
        assert all("modern" not in content for content in await w.contents())
        await w.pipe("/send Hello | /trigger | /ooc Short, please.")
        assert "Short, please." in await w.prompt() and "modern" not in await w.prompt()
        await w.pipe("/inject id=rain Rain. | /ooc OFF")
        assert "OOC" not in await w.prompt() and list(json.loads(await w.pipe("/listinjects") or "")) == [
            "rain"
        ]


async def test_an_ephemeral_text_is_there_for_one_reply() -> None:
    async with world() as w:
        await w.pipe(
            "/inject id=once ephemeral=true position=chat depth=0 Only now. | /inject id=stays Always."
        )
        assert "Only now." in await w.prompt()
        await w.pipe("/send Hello | /trigger")
        prompt = await w.prompt()
        assert "Only now." not in prompt and "Always." in prompt
        await w.pipe("/inject id=once ephemeral=true Again. | /gen quietly")
        assert list(json.loads(await w.pipe("/listinjects") or "")) == ["stays"]


async def test_injected_texts_go_out_with_the_chat_and_come_in_with_it() -> None:
    from lunalux_core.chat.conversation_files import export_conversation, import_conversation

    async with world() as w:
        await w.pipe("/inject id=rain position=chat depth=2 scan=true Rain.")
        text = await export_conversation(w.runtime.library, w.place, "jsonl")
        stored = json.loads(text.splitlines()[0])["chat_metadata"]["script_injects"]
        assert stored == {"rain": {"value": "Rain.", "position": 1, "depth": 2, "scan": True, "role": 0}}
        owner = (await w.runtime.library.conversations.get(w.place)).character_id
        imported = await import_conversation(w.runtime.library, owner, text.encode(), "chat.jsonl")
        prompt = await w.runtime.chat.previews.prompt(imported.conversation_id, "x")
        assert any("Rain." in message.content for message in prompt.messages)


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("/inject Rain", "id="),
        ("/inject id=a depth=-1 x", "depth="),
        ("/inject id=a position=above x", "position="),
        ("/inject id=a role=king x", "role="),
        ("/inject id=a scan=maybe x", "scan="),
        ("/hide 99", "99"),
        ("/messages one", "one"),
        ("/delete-swipe 9", "9"),
        ("/cut 99", "99"),
        ("/cut", "range"),
        ("/del", "count"),
        ("/del 99", "99"),
        ("/delname", "NAME"),
        ("/addswipe", "TEXT"),
        ("/newchat delete=true", "deletes no chat"),
        ("/renamechat", "NAME"),
        ("/member-disable Marigold", "no members"),
        ("/trimtokens limit=many x", "limit="),
        ("/trimtokens x", "limit="),
        ("/getcharbook Nobody", "Nobody"),
        ("/qr-set-create", "NAME"),
        ("/import from=Nowhere.x foo", "Nowhere.x"),
        ("/branch-create 99", "99"),
        ("/checkpoint-create mesId=x dawn", "x"),
        ("/count | /persona Nobody", "Nobody"),
        ("/model nosuch", "nosuch"),
        ("/preset nosuch", "nosuch"),
        ("/profile nosuch", "nosuch"),
        ("/world nosuch", "nosuch"),
        ("/world", "NAME"),
        ("/world state=maybe nosuch", "nosuch"),
        ("/getentryfield file=nosuch 1", "nosuch"),
        ("/qr-set nosuch", "nosuch"),
        ("/qr-set scope=moon nosuch", "scope="),
        ("/roll many", "many"),
        ("/send at=3 x", "at="),
    ],
)
async def test_each_command_refuses_with_one_sentence_that_names_what_is_wrong(
    script: str, named: str
) -> None:
    async with world() as w:
        before = await w.contents()
        told = await w.failure(script)
        assert named in told and "column" in told
        assert await w.contents() == before


async def test_replies_branches_and_versions_by_script() -> None:
    async with world() as w:
        start = len(await w.contents())
        await w.pipe("/send One | /trigger | /swipe")
        last = (await w.runtime.library.conversations.page(w.place))[-1]
        assert last.swipes == 2 and await w.pipe("/delete-swipe 1") == "0"
        assert (await w.runtime.library.conversations.page(w.place))[-1].swipes == 1
        assert "SCRIPT_REFUSED" in await w.failure("/delete-swipe")
        assert await w.pipe("/checkpoint-create dawn") == "dawn"
        assert await w.pipe("/checkpoint-create mesId=0") == "Checkpoint 0"
        tree = await w.runtime.library.conversations.tree(w.place)
        assert sorted(node.mark for node in tree if node.mark) == ["Checkpoint 0", "dawn"]
        assert await w.pipe(f"/branch-create {start}") == str(start)
        assert (await w.contents())[-1] == "One"
        tokens = int(await w.pipe("/count") or 0)
        await w.pipe(f"/hide {start}")
        assert int(await w.pipe("/count") or 0) < tokens
        assert await w.pipe(f"/messages hidden=off {start}") == ""


async def test_messages_are_cut_out_by_script_and_undo_brings_them_back() -> None:
    async with world() as w:
        start = await w.contents()
        await w.pipe("/send A | /sendas name=Bo B | /send C | /sendas name=Bo D | /sendas name=Sol E")
        whole = await w.contents()
        first = len(start)
        assert await w.pipe(f"/setvar key=n 7 | /cut {first + 1}-{first + 2}") == "B\nC\n"
        assert await w.contents() == [*start, "A", "D", "E"]
        undone = await w.runtime.chat.edits.undo(w.place)
        assert undone is not None and undone.kind == "delete" and await w.contents() == whole
        assert await w.pipe("/delname Bo") == "" and await w.contents() == [*start, "A", "C", "E"]
        await w.runtime.chat.edits.undo(w.place)
        assert await w.pipe("/del 2") == "D\nE\n" and await w.contents() == [*start, "A", "B", "C"]
        assert await w.pipe("/getvar n") == "7"  # no variable goes with a message
        await w.runtime.chat.edits.undo(w.place)
        assert await w.contents() == whole and await w.pipe("/del 0") == ""
        assert await w.pipe(f"/cut 0-{len(whole) - 1}") == "".join(f"{words}\n" for words in whole)
        assert await w.contents() == []
        await w.runtime.chat.edits.undo(w.place)
        assert await w.contents() == whole
        tree = await w.runtime.library.conversations.tree(w.place)
        depths = {node.id: node.depth for node in tree}
        assert all(node.depth == depths.get(node.parent_id, -1) + 1 for node in tree)


async def test_with_a_message_go_its_versions_but_no_branch_of_the_story() -> None:
    async with world() as w:
        start = await w.contents()
        await w.pipe("/send A | /sendas name=Bo B | /addswipe switch=true B2 | /send C")
        assert await w.contents() == [*start, "A", "B2", "C"]
        path = await w.runtime.library.conversations.page(w.place)
        await w.pipe(f"/cut {len(start) + 1}")  # B goes with B2: nothing hangs on it
        assert await w.contents() == [*start, "A", "C"]
        assert (await w.runtime.library.conversations.page(w.place))[-1].swipes == 1
        await w.runtime.chat.edits.undo(w.place)
        assert [node.id for node in await w.runtime.library.conversations.page(w.place)] == [
            m.id for m in path
        ]
        other = (await w.runtime.library.conversations.siblings(path[-2].id))[0]
        await w.runtime.library.conversations.select(other)
        await w.pipe("/send C of B")
        assert await w.contents() == [*start, "A", "B", "C of B"]
        await w.pipe("/del 2")
        assert await w.contents() == [*start, "A"]
        words = {node.preview for node in await w.runtime.library.conversations.tree(w.place)}
        assert {"B2", "C"} <= words and not {"B", "C of B"} & words
        assert await w.pipe("/sendas name=Bo again | /addswipe beside") == "2"
        assert (await w.contents())[-1] == "again"
        assert "reply" in await w.failure("/send mine | /addswipe x")


async def test_a_script_goes_on_in_a_new_chat() -> None:
    async with world() as w:
        was = await w.contents()
        outcome = await w.run("/setvar key=a 1 | /newchat | /setvar key=b 2 | /send Hi | /renamechat Dawn")
        assert outcome.error is None and outcome.local == {"b": "2"}
        assert await w.contents() == was and await w.pipe("/getvar a") == "1"
        w.place = w.surface.opened
        assert (await w.contents())[-1] == "Hi" and await w.pipe("/getchatname") == "Dawn"
        assert await w.pipe("/getvar b") == "2" and await w.pipe("/getvar a") == ""
        assert "reply" in str((await w.run("/newchat", turns=False)).error)


async def test_help_lists_commands_and_characters_are_found() -> None:
    async with world() as w:
        await w.pipe("/? delmode | /?")
        few, all_of_them = w.surface.echoes
        assert few == "/delmode /del  script.help.delmode" and all_of_them.count("\n") > 100
        assert await w.pipe("/char-find sol") == "Captain Sol Varga"
        assert await w.pipe("/char-find quiet=true Nobody") == ""


async def test_a_text_is_cut_to_a_number_of_tokens() -> None:
    async with world() as w:
        words = " ".join(f"word{n}" for n in range(200))
        await w.pipe(f"/setvar key=t {words}")
        for limit in (1, 7, 50):
            start = await w.pipe(f"/trimtokens limit={limit} direction=start {{{{getvar::t}}}}") or ""
            end = await w.pipe(f"/trimtokens limit={limit} {{{{getvar::t}}}}") or ""
            assert words.startswith(start) and words.endswith(end) and len(start) < len(words)
            assert int(await w.pipe(f"/tokens {start}") or 0) <= limit
        assert await w.pipe("/trimtokens limit=5000 direction=end {{getvar::t}}") == words
        assert await w.pipe("/trimtokens limit=0 {{getvar::t}}") == ""


async def test_closures_of_other_replies_are_brought_in() -> None:
    async with world() as w:
        message = "/let key=hi {: /pass hello {{user}} :} | /let two {: /pass 2 :} | /setvar key=ran yes"
        document = {"version": 2, "name": "Lib", "qrList": [{"id": 1, "label": "Tools", "message": message}]}
        await w.runtime.library.quick_replies.add(read_set(document, "Lib"))
        assert "hello" in (await w.pipe("/import from=Lib.Tools hi | /:hi") or "")
        assert await w.pipe("/import from=Lib.Tools hi as greet two | /:greet | /:two") == "2"
        assert await w.pipe("/getvar ran") == ""
        assert "Lib.Tools: three" in await w.failure("/import from=Lib.Tools three")
        await w.pipe(
            "/qr-create set=Lib label=Asks /qr-arg what nothing \\| /qr-arg * any \\| "
            "/pass \\{\\{arg::what\\}\\} \\{\\{arg::more\\}\\}"
        )
        assert await w.pipe("/run Lib.Asks") == "nothing any"
        assert await w.pipe("/run what=tea more=now Lib.Asks") == "tea now"
        await w.pipe("/qr-set-create inject=true New | /qr-set-create new | /qr-set-update nosend=on New")
        stored = await w.runtime.library.quick_replies.find("New")
        assert stored.content.document["injectInput"] and stored.content.document["disableSend"]
        assert len(await w.runtime.library.quick_replies.list()) == 2


async def test_the_books_in_force_are_named_and_a_chat_gets_one_of_its_own() -> None:
    async with world() as w:
        name = await w.pipe("/getchatbook") or ""
        assert (
            await w.pipe("/getchatlore") == name
            and not (await w.runtime.library.worldbooks.find(name)).enabled
        )
        await w.pipe(f'/createentry file="{name}" key=halcyon The Halcyon sank.')
        assert "The Halcyon sank." in await w.prompt("Tell me of the halcyon")
        await w.runtime.library.worldbooks.add("Sea", {"entries": {}}, enabled=True)
        assert json.loads(await w.pipe("/getglobalbooks") or "") == ["Sea"]
        sol = await w.runtime.library.characters.find("Captain Sol Varga")
        await w.runtime.library.characters.tie(sol.id, "Sea")
        assert json.loads(await w.pipe("/getcharbook type=additional") or "") == ["Sea"]
        assert await w.pipe("/getcharbook Marigold") == "" == await w.pipe("/getpersonabook")


async def test_members_of_a_group_are_changed_by_script() -> None:
    async with world() as w:
        library = w.runtime.library
        ids = [(await library.characters.find(name)).id for name in ("Captain Sol Varga", "Marigold")]
        group = await library.groups.create("Crew", ids)
        w.place = (await w.runtime.chat.start_group(group.id)).id
        assert await w.pipe("/member-count") == "2" and await w.pipe("/member-get 1") == "Marigold Finch"
        await w.pipe("/disable Marigold | /member-down 0")
        members = (await library.groups.get(group.id)).members
        assert (members[0].name, members[0].muted) == ("Marigold Finch", True)
        await w.pipe("/member-enable 0 | /member-up Captain")
        assert await w.pipe("/member-get field=index Marigold") == "1"
        other = next(c for c in await library.characters.list() if c.id not in ids)
        assert await w.pipe(f"/member-add {other.name} | /member-add {other.name}") == other.name
        assert await w.pipe(f"/member-remove {other.name} | /member-count") == "2"
        assert "Nobody" in await w.failure("/member-remove Nobody")


async def test_no_reply_is_made_while_one_is_being_made() -> None:
    async with world() as w:
        error = (await w.run("/setvar key=a 1 | /trigger", turns=False)).error
        assert error is not None and error.code == "SCRIPT_REPLY_COMING" and "/trigger" in error.message


async def test_worldbooks_are_switched_read_and_written(tmp_path: Path) -> None:
    book = {
        "entries": {
            "0": {"uid": 7, "key": ["rain"], "content": "It rains.", "constant": False, "order": 5, "own": 1},
            "1": {"uid": 8, "key": ["sun"], "content": "The sun."},
        }
    }
    async with world() as w:
        shelf = w.runtime.library.worldbooks
        await shelf.add("Weather", book, enabled=False)
        await w.pipe("/world Weather")
        assert (await shelf.find("Weather")).enabled
        await w.pipe("/world state=on Weather | /world state=off")
        assert not (await shelf.find("Weather")).enabled
        assert await w.pipe("/getentryfield file=Weather 7") == "It rains."
        assert await w.pipe("/getentryfield file=Weather field=key 7") == '["rain"]'
        assert await w.pipe("/getentryfield file=Weather field=order 7") == "5"
        await w.pipe("/setentryfield file=Weather uid=7 field=key storm, wind")
        await w.pipe("/setentryfield file=Weather uid=7 field=constant true")
        await w.pipe("/setentryfield file=Weather uid=7 field=order 12")
        await w.pipe("/setentryfield file=Weather uid=7 It storms.")
        entry = (await shelf.find("Weather")).document["entries"]["0"]
        assert (entry["key"], entry["constant"], entry["order"]) == (["storm", "wind"], True, 12)
        assert entry["content"] == "It storms." and entry["own"] == 1
        assert "uid=" in await w.failure("/setentryfield file=Weather uid=99 x")
        assert "field=" in await w.failure("/getentryfield file=Weather field=nosuch 7")
        assert "field=" in await w.failure("/setentryfield file=Weather uid=7 field=uid 5")


async def test_persona_model_preset_and_profile_are_chosen_and_told() -> None:
    from lunalux_core.library.profiles import Profile, ProfilePlace

    async with world() as w:
        library = w.runtime.library
        await library.personas.save("First")
        ann = await library.personas.save("Ann", "A pilot.")
        assert await w.pipe("/persona Ann") == "Ann" and await w.pipe("/persona") == "Ann"
        assert (await library.conversations.get(w.place)).persona_id == ann.id
        assert await w.pipe("/model practice") == "practice" == await w.pipe("/model")
        assert await w.pipe("/preset default") == "default" and w.surface.echoes == ["default"]
        await library.presets.add("Mine", {"prompts": [], "prompt_order": []}, enabled=False)
        assert await w.pipe("/preset mine") == "Mine" == await w.pipe("/preset")
        await library.profiles.save(Profile("Cheap"))
        assert await w.pipe("/profile cheap") == "Cheap" == await w.pipe("/profile")
        assert ProfilePlace("conversation", w.place) in await library.profiles.uses()
        assert await w.pipe("/profile none") == "" == await w.pipe("/profile")


async def test_sets_of_quick_replies_are_put_in_force_by_script() -> None:
    async with world() as w:
        replies = w.runtime.library.quick_replies
        reply: dict[str, Any] = {"id": 1, "label": "one", "message": "/pass 1"}
        stored, _ = await replies.add(read_set({"version": 2, "name": "Set", "qrList": [reply]}))
        owner = (await w.runtime.library.conversations.get(w.place)).character_id
        assert await replies.in_force(w.place, owner) == []
        await w.pipe("/qr-set Set | /qr-set scope=chat visible=false Set")
        assert [(held.id, shown) for held, shown in await replies.in_force(w.place, owner)] == [
            (stored.id, True)
        ]
        await w.pipe("/qr-set Set | /qr-set state=on scope=chat visible=false Set")
        assert [shown for _, shown in await replies.in_force(w.place, owner)] == [False]
        assert await replies.in_force("another", owner) == []
        await w.pipe("/qr-set scope=chat Set | /qr-set scope=character Set")
        assert [shown for _, shown in await replies.in_force("another", owner)] == [True]
        await w.runtime.library.conversations.delete(w.place)
        assert {use.scope for use in await replies.uses()} == {"character"}


async def test_sets_of_quick_replies_are_read_and_changed_by_script() -> None:
    async with world() as w:
        replies = w.runtime.library.quick_replies
        first = {"id": 7, "label": "One", "message": "/pass 1", "odd": [1]}
        for name, listed in (("Set", [first]), ("Other", [])):
            await replies.add(read_set({"version": 2, "name": name, "kept": True, "qrList": listed}))
        assert json.loads(await w.pipe("/qr-set-list") or "") == ["Set", "Other"]
        await w.pipe("/qr-create set=Set label=Two hidden=true title=Second /pass {{pipe}} \\| /echo")
        assert json.loads(await w.pipe("/qr-list Set") or "") == ["One", "Two"]
        told = json.loads(await w.pipe("/qr-get set=Set id=8") or "")
        assert told["label"] == "Two" and told["hidden"] is True and told["message"].startswith("/pass ")
        await w.pipe("/qr-update set=Set label=one newlabel=Uno bot=on changed")
        await w.pipe("/qr-contextadd set=Set label=Uno chain=true Other | /qr-set-on Set")
        stored = await replies.find("Set")
        one = stored.content.find("Uno")
        assert one is not None and one.message == "changed" and one.moments == {"reply"}
        assert [(menu.name, menu.chained) for menu in one.menus] == [("Other", True)]
        assert stored.content.document["kept"] is True
        assert stored.content.document["qrList"][0]["odd"] == [1], "what no command knows stays"
        assert json.loads(await w.pipe("/qr-set-list global") or "") == ["Set"]
        await w.pipe("/qr-contextclear set=Set Uno | /qr-set-off Set | /qr-chat-set-on Set")
        assert json.loads(await w.pipe("/qr-set-list chat") or "") == ["Set"]
        assert "Three" in await w.failure("/qr-get set=Set label=Three")
        assert "hidden=" in await w.failure("/qr-update set=Set label=Uno hidden=maybe")


async def test_odd_entries_of_a_set_do_not_break_its_commands() -> None:
    async with world() as w:
        listed = ["no reply", {"id": "seven", "label": "One", "message": "/pass 1"}]
        await w.runtime.library.quick_replies.add(read_set({"name": "Set", "qrList": listed}))
        assert json.loads(await w.pipe("/qr-get set=Set label=One") or "")["id"] == 1
        assert "Set" in await w.failure("/qr-update set=Set id=0 icon=star")


async def test_a_reply_that_a_script_lets_run_by_itself_waits_for_the_persons_word() -> None:
    async with world() as w:
        replies = w.runtime.library.quick_replies
        listed = [{"id": 1, "label": "a", "message": "/pass", "executeOnAi": True}]
        stored, _ = await replies.add(read_set({"name": "Set", "qrList": listed}))
        await replies.allow(stored.id, True)
        await w.pipe("/qr-update set=Set label=a title=New | /qr-create set=Set label=b /pass")
        assert (await replies.find("Set")).automatic is None, "its automatic reply is another now"
        await replies.allow(stored.id, True)
        await w.pipe("/qr-create set=Set label=c /pass")
        assert (await replies.find("Set")).automatic is True
        await w.pipe("/qr-create set=Set label=d startup=true /send gotcha")
        assert (await replies.find("Set")).automatic is None


@pytest.mark.parametrize("entries", [[], {}, [{"id": 4, "keys": ["old"], "content": "x"}], {"9": {"uid": 9}}])
async def test_entries_of_worldbooks_are_made_and_found_by_script(entries: Any) -> None:
    async with world() as w:
        books = w.runtime.library.worldbooks
        await books.add("Log", {"name": "Log", "entries": entries})
        uid = await w.pipe("/createentry file=log key=moon,sun It is high.")
        assert uid == await w.pipe("/findentry file=log field=key SUN") and uid
        assert await w.pipe(f"/getentryfield file=log field=content {uid}") == "It is high."
        assert await w.pipe("/findentry file=log field=content high") == uid
        another = await w.pipe("/createentry file=log key=star Far.")
        assert another not in (uid, "") and await w.pipe("/findentry file=log nowhere") == ""
        document = (await books.find("Log")).document
        assert document["name"] == "Log" and len(document["entries"]) == len(entries) + 2
        assert "nosuch" in await w.failure("/createentry file=nosuch key=a b")


async def test_regex_scripts_notes_and_tags_are_reached_by_script() -> None:
    async with world() as w:
        script = {"scriptName": "Shout", "findRegex": "/o/g", "replaceString": "0", "placement": [2]}
        shelf = w.runtime.library.scripts
        await shelf.add("Shout", script, enabled=False)
        await shelf.add("Bad", {**script, "scriptName": "Bad", "findRegex": "/(/"}, enabled=False)
        assert await w.pipe("/regex name=shout foo") == "f00"
        assert "Bad" in await w.failure("/regex name=bad foo")
        await w.pipe("/regex-toggle state=on Shout")
        assert (await shelf.find("Shout")).enabled
        assert await w.pipe("/note Slow and rainy.") == "Slow and rainy." == await w.pipe("/note")
        assert await w.pipe("/note-depth 0") == "0" and await w.pipe("/note-position before") == "before"
        assert await w.pipe("/freq 1 | /note-role user") == "user"
        assert "Slow and rainy." in await w.prompt()
        assert "moon" in await w.failure("/note-position moon")
        assert await w.pipe("/tag-add to read") == "true" and await w.pipe("/tag-add To Read") == "false"
        assert await w.pipe("/tag-list") == "to read" and await w.pipe("/tag-exists TO READ") == "true"
        assert await w.pipe("/tag-add name=Marigold sea | /tag-list name=marigold") == "sea"
        assert await w.pipe("/tag-remove to read") == "true" and await w.pipe("/tag-remove sea") == "false"
        assert await w.pipe("/tag-list") == "" and int(await w.pipe("/tokens one two three") or 0) > 1


def test_every_command_on_the_app_is_offered() -> None:
    assert set(OFFERS) == {command.name for command in everything() if command.app}


WORDS = st.sampled_from(
    [
        *("/gen ", "/genraw ", "/ask name=Sol ", "/trigger ", "/continue ", "/swipe ", "/regenerate "),
        *("/inject id=a ", "/inject id={{pipe}} ephemeral=on ", "/flushinject ", "/listinjects ", "/hide "),
        *("/unhide ", "/messages ", "/delete-swipe ", "/count ", "/world ", "/getentryfield file=x "),
        *("/setentryfield file=x uid=1 ", "/persona ", "/model ", "/preset ", "/profile ", "/qr-set "),
        *("/qr-create set=S label=x ", "/qr-update set=S id=1 ", "/qr-get set=S ", "/qr-list ", "/note "),
        *("/createentry file=x ", "/findentry file=x ", "/regex name=x ", "/tag-add ", "/tag-remove "),
        *(
            "/cut ",
            "/del ",
            "/delname ",
            "/addswipe ",
            "/trimtokens limit=3 ",
            "/import from=S.x ",
            "/getchatbook ",
        ),
        *("/branch-create ", "/checkpoint-create ", "/send ", "/sendas name=x ", "/comment ", "/roll 2d6 "),
        *("/setinput ", "/input ", "/buttons labels=[1] ", "/while guard=off left=1 right=1 ", "/times 3 "),
        *("{:", ":}", " | ", '"', "0", "1-2", "x", "depth=1 ", "scan=", "小明😀", "{{pipe}}", "\n", "none"),
    ]
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(WORDS, max_size=12).map("".join), min_size=3, max_size=3))
async def test_no_script_on_a_chat_hangs_grows_or_fails_without_a_sentence(scripts: list[str]) -> None:
    small = Limits(steps=60, seconds=20, text=3000, made=40_000, script=2000)
    async with world() as w, world() as other:
        for script in scripts:
            pipes = []
            for each in (w, other):
                outcome = await each.run(script, small)
                pipes.append((outcome.error and outcome.error.code, outcome.aborted))
                assert outcome.error is None or outcome.error.code in SENTENCES
            assert pipes[0] == pipes[1]
            assert len(await w.contents()) == len(await other.contents()) < 60 + MOST_ASKED


async def test_a_pane_opens_where_the_program_has_it_and_is_refused_elsewhere() -> None:
    async with world() as w:
        assert await w.pipe("/memory") == "" and w.surface.echoes == ["pane memory"]
        w.surface.panes = ()
        refused = (await w.run("/memory")).error
        assert refused is not None and w.surface.echoes == ["pane memory"]


async def test_a_chat_has_texts_of_its_own_in_the_place_of_the_cards() -> None:
    from dataclasses import replace

    from lunalux_core.chat.conversation_files import export_conversation
    from lunalux_core.chat.overrides import change_overrides

    async with world() as w:
        library = w.runtime.library
        assert "Second Helping" in await w.prompt()
        for preset in ("mirror_realm", "default"):
            options = TurnOptions(preset=preset)
            await change_overrides(
                library,
                w.place,
                lambda before: replace(
                    before,
                    scenario="{{char}} runs a lighthouse.",
                    examples="<START>\n{{char}}: The lamp burns.",
                    main_prompt="Write about lamps, {{user}}.",
                ),
            )
            prompt = await w.runtime.chat.previews.prompt(w.place, "hello", options)
            whole = "\n".join(message.content for message in prompt.messages)
            assert "runs a lighthouse." in whole and "{{char}}" not in whole, preset
            assert "Write about lamps, " in whole and "The lamp burns." in whole, preset
        record = await w.runtime.chat.previews.record(w.place, "hello")
        assert record["overrides"] == ["scenario", "examples", "main_prompt"]
        header = json.loads((await export_conversation(library, w.place, "jsonl")).splitlines()[0])
        assert header["chat_metadata"]["mes_example"] == "<START>\n{{char}}: The lamp burns."
        assert await w.pipe("/pass {{scenario}}") == "Sol runs a lighthouse."
        held = await change_overrides(library, w.place, lambda before: replace(before, scenario=""))
        assert set(held.named) == {"examples", "main_prompt"}
        await change_overrides(library, w.place, lambda before: replace(before, examples="", main_prompt=""))
        assert "The lamp burns." not in await w.prompt()
        header = json.loads((await export_conversation(library, w.place, "jsonl")).splitlines()[0])
        assert not {"scenario", "mes_example", "system_prompt"} & header["chat_metadata"].keys()
