"""Group chats: real turns over a real library, asked of a model server that keeps what it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from llm_server import ModelServer, document, model_server, stream
from muting import mute

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.dialogue.turn import TextDelta, TurnCompleted, TurnEvent, TurnOptions, TurnStarted
from lunalux_core.errors import InvalidInput, LunaluxError, NotFound
from lunalux_core.importing import import_data
from lunalux_core.library.conversations import Conversation
from lunalux_core.library.groups import Group
from lunalux_core.runtime import Runtime

MODEL = TurnOptions(model="openai:test")
PRESET = {
    "names_behavior": 0,
    "new_group_chat_prompt": "[GROUP {{group}}]",
    "group_nudge_prompt": "[ONLY {{char}}; ready: {{groupNotMuted}}; or {{charIfNotGroup}}]",
    "prompts": [
        {"identifier": "main", "name": "main", "role": "system", "content": "MAIN for {{char}}"},
        *(
            {"identifier": one, "name": one, "marker": True}
            for one in (
                "worldInfoBefore",
                "charDescription",
                "charPersonality",
                "dialogueExamples",
                "chatHistory",
            )
        ),
    ],
    "prompt_order": [
        {
            "character_id": 100001,
            "order": [
                {"identifier": one, "enabled": True}
                for one in (
                    *("main", "worldInfoBefore", "charDescription"),
                    *("charPersonality", "dialogueExamples", "chatHistory"),
                )
            ],
        }
    ],
}


def card(name: str, talkativeness: float = 0.5, **fields: object) -> bytes:
    data = {
        "name": name,
        "description": f"{{{{char}}}} is {name}, known to {{{{user}}}}.",
        "personality": f"as {name} is",
        "first_mes": f"{name} greets {{{{user}}}}.",
        "alternate_greetings": [f"{name} nods."],
        "mes_example": f"<START>\n{{{{user}}}}: Hi\n{{{{char}}}}: I am {name}.",
        "character_book": {
            "entries": [
                {
                    "id": 1,
                    "keys": ["secret"],
                    "content": f"The secret of {name}.",
                    "enabled": True,
                    "insertion_order": 1,
                    "position": "before_char",
                    "extensions": {},
                }
            ]
        },
        "extensions": {
            "talkativeness": talkativeness,
            "depth_prompt": {"prompt": f"{{{{char}}}} remembers {name}.", "depth": 0, "role": "system"},
        },
        **fields,
    }
    return json.dumps({"spec": "chara_card_v3", "spec_version": "3.0", "data": data}).encode()


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server(unknown=True) as server:
        server.will(stream("One."), stream("Two."), stream("Three."), stream("More."))
        yield server


@pytest.fixture
async def runtime(
    paths: Paths, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
    async with Runtime.open(load_settings(paths, {"LUNALUX_LANG": "en"})) as runtime:
        await runtime.library.presets.add("Round", PRESET, enabled=True)
        yield runtime


async def member(runtime: Runtime, name: str, **fields: object) -> str:
    done = await import_data(runtime.library, runtime.paths, card(name, **fields), f"{name}.json")  # type: ignore[arg-type]
    assert done.id
    return done.id


@pytest.fixture
async def group(runtime: Runtime) -> Group:
    ids = [await member(runtime, name) for name in ("Mira", "Bao", "Cleo")]
    group = await runtime.library.groups.create("The table", ids)
    await runtime.library.groups.set(group.id, order="list")
    return await runtime.library.groups.get(group.id)


@pytest.fixture
async def place(runtime: Runtime, group: Group) -> Conversation:
    return await runtime.chat.start_group(group.id)


async def collect(events: AsyncIterator[TurnEvent]) -> list[TurnEvent]:
    return [event async for event in events]


async def said(runtime: Runtime, place: Conversation) -> list[tuple[str, str]]:
    return [(one.name, one.content) for one in await runtime.library.conversations.page(place.id)]


def sent(server: ModelServer, number: int = -1) -> list[dict[str, str]]:
    messages: list[dict[str, str]] = server.seen[number].body["messages"]
    return messages


GREETINGS = [
    ("Mira", "Mira greets Traveller."),
    ("Bao", "Bao greets Traveller."),
    ("Cleo", "Cleo greets Traveller."),
]


async def test_a_list_answers_once_each_and_every_reply_is_a_turn(
    runtime: Runtime, server: ModelServer, group: Group, place: Conversation
) -> None:
    events = await collect(runtime.chat.send(place.id, "Good evening.", MODEL))
    assert sum(isinstance(one, TurnStarted) for one in events) == 3
    done = [one.message for one in events if isinstance(one, TurnCompleted)]
    assert [(one.name, one.content, one.status) for one in done if one] == [
        ("Mira", "One.", "done"),
        ("Bao", "Two.", "done"),
        ("Cleo", "Three.", "done"),
    ]
    assert [one.speaker for one in done if one] == [one.character_id for one in group.members]
    assert await said(runtime, place) == [
        *GREETINGS,
        ("Traveller", "Good evening."),
        *(("Mira", "One."), ("Bao", "Two."), ("Cleo", "Three.")),
    ]
    assert len(server.seen) == 3
    last = [(one["role"], one["content"]) for one in sent(server)]
    assert last == [
        ("system", "MAIN for Cleo"),
        ("system", "Cleo is Cleo, known to Traveller."),
        ("system", "as Cleo is"),
        ("system", "[Example Chat]"),
        ("system", "Traveller: Hi"),
        ("system", "Cleo: I am Cleo."),
        ("system", "[GROUP Mira, Bao, Cleo]"),
        *(("assistant", f"{name}: {text}") for name, text in GREETINGS),
        ("user", "Good evening."),
        ("assistant", "Mira: One."),
        ("assistant", "Bao: Two."),
        ("system", "Cleo remembers Cleo."),
        ("system", "[ONLY Cleo; ready: Mira, Bao, Cleo; or Mira, Bao, Cleo]"),
    ]


async def test_appended_cards_stand_together_each_about_its_own(
    runtime: Runtime, server: ModelServer, group: Group, place: Conversation
) -> None:
    await runtime.library.groups.set(group.id, cards="append")
    await mute(runtime.library, group.id, group.members[1].character_id)
    await collect(runtime.chat.send(place.id, "What is the secret?", MODEL))
    contents = [one["content"] for one in sent(server, 1)]
    assert "MAIN for Cleo" in contents
    assert "Mira is Mira, known to Traveller.\nCleo is Cleo, known to Traveller." in contents
    assert "as Mira is\nas Cleo is" in contents
    books = next(one for one in contents if "secret of" in one)
    assert set(books.splitlines()) == {"The secret of Cleo.", "The secret of Mira."}
    assert "Mira: I am Mira." in contents and "Cleo: I am Cleo." in contents
    assert any("Mira remembers Mira." in one and "Cleo remembers Cleo." in one for one in contents)
    assert "Bao is" not in "\n".join(contents)
    assert contents[-1] == "[ONLY Cleo; ready: Mira, Cleo; or Mira, Bao, Cleo]"
    assert [name for name, _ in (await said(runtime, place))[4:]] == ["Mira", "Cleo"]


async def test_appended_cards_stand_between_what_joins_them_the_muted_ones_too(
    runtime: Runtime, server: ModelServer, group: Group, place: Conversation
) -> None:
    await runtime.library.groups.set(
        group.id, cards="append_muted", join_prefix="[{{char}}'s <fieldname>: ", join_suffix="]"
    )
    await mute(runtime.library, group.id, group.members[1].character_id)
    await collect(runtime.chat.send(place.id, "Cleo, who are you?", MODEL))
    contents = [one["content"] for one in sent(server)]
    joined = "\n".join(
        f"[{name}'s Description: {name} is {name}, known to Traveller.]" for name in ("Mira", "Bao", "Cleo")
    )
    assert joined in contents
    assert any("[Bao's Personality: as Bao is]" in one for one in contents)
    assert "MAIN for Cleo" in contents, "only what is about a member is joined"


async def test_swapped_cards_bring_the_speakers_worldbook_alone(
    runtime: Runtime, server: ModelServer, place: Conversation
) -> None:
    for name in ("Mira", "Bao", "Cleo"):
        options = TurnOptions(model=MODEL.model, speaker=name)
        await collect(runtime.chat.send(place.id, "What is the secret?", options))
        text = json.dumps(sent(server))
        assert [one for one in ("Mira", "Bao", "Cleo") if f"secret of {one}" in text] == [name]


async def test_in_a_manual_group_nobody_answers_unasked(
    runtime: Runtime, server: ModelServer, group: Group, place: Conversation
) -> None:
    await runtime.library.groups.set(group.id, order="manual")
    await mute(runtime.library, group.id, group.members[2].character_id)
    (event,) = await collect(runtime.chat.send(place.id, "Well?", MODEL))
    assert isinstance(event, TurnStarted) and event.reply is None and event.user_message is not None
    assert not server.seen and (await said(runtime, place))[-1] == ("Traveller", "Well?")
    asked = TurnOptions(model=MODEL.model, speaker="cleo")  # muted, and asked all the same
    await collect(runtime.chat.speak(place.id, asked))
    assert (await said(runtime, place))[-2:] == [("Traveller", "Well?"), ("Cleo", "One.")]
    await collect(runtime.chat.speak(place.id, MODEL))
    name, text = (await said(runtime, place))[-1]
    assert name in ("Mira", "Bao") and text == "Two."
    with pytest.raises(NotFound) as caught:
        await collect(runtime.chat.send(place.id, "Dora?", TurnOptions(model=MODEL.model, speaker="Dora")))
    assert caught.value.code == "MEMBER_NOT_FOUND"
    assert (await said(runtime, place))[-1] == (name, text)


async def test_a_round_can_be_stopped_between_replies_and_within_one(
    runtime: Runtime, server: ModelServer, place: Conversation
) -> None:
    async with aclosing(runtime.chat.send(place.id, "All of you!", MODEL)) as events:
        async for event in events:
            if isinstance(event, TurnCompleted):
                break
    assert (await said(runtime, place))[3:] == [("Traveller", "All of you!"), ("Mira", "One.")]
    assert (await runtime.library.conversations.page(place.id))[-1].status == "done"
    server.will(stream("Whole."), stream("Half", then="hang"), stream("Never."))
    async with aclosing(runtime.chat.send(place.id, "Again!", MODEL)) as events:
        texts = 0
        async for event in events:
            texts += isinstance(event, TextDelta)
            if texts == 2:
                break
    page = await runtime.library.conversations.page(place.id)
    assert [(one.name, one.content, one.status) for one in page[-2:]] == [
        ("Mira", "Whole.", "done"),
        ("Bao", "Half", "stopped"),
    ]


async def test_a_failure_ends_the_round_and_is_tried_again_in_place(
    runtime: Runtime, server: ModelServer, place: Conversation
) -> None:
    server.will(stream("Fine."), document({"error": {"message": "no"}}, status=400), stream("Later."))
    with pytest.raises(LunaluxError):
        await collect(runtime.chat.send(place.id, "Go on.", MODEL))
    failed = (await runtime.library.conversations.page(place.id))[-1]
    assert (failed.name, failed.status) == ("Bao", "failed")
    await collect(runtime.chat.regenerate(failed.id, MODEL))
    again = (await runtime.library.conversations.page(place.id))[-1]
    assert (again.id, again.name, again.content, again.speaker) == (
        failed.id,
        "Bao",
        "Later.",
        failed.speaker,
    )


async def test_swipes_edits_and_continuations_keep_the_speaker(
    runtime: Runtime, server: ModelServer, place: Conversation
) -> None:
    options = TurnOptions(model=MODEL.model, speaker="Bao")
    await collect(runtime.chat.send(place.id, "Bao?", options))
    first = (await runtime.library.conversations.page(place.id))[-1]
    await collect(runtime.chat.regenerate(first.id, MODEL, "swipe"))
    second = (await runtime.library.conversations.page(place.id))[-1]
    assert (second.name, second.speaker, second.swipes) == ("Bao", first.speaker, 2)
    twin = await runtime.library.conversations.message(
        await runtime.chat.edits.edit_as_branch(second.id, "Other.")
    )
    assert (twin.name, twin.speaker) == ("Bao", first.speaker)
    await collect(runtime.chat.continue_(place.id, MODEL))
    last = (await runtime.library.conversations.page(place.id))[-1]
    assert (last.id, last.content, last.speaker) == (twin.id, "Other.Three.", first.speaker)
    assert "MAIN for Bao" in json.dumps(sent(server))


async def test_a_message_of_the_person_is_answered_by_a_round(
    runtime: Runtime, server: ModelServer, group: Group, place: Conversation
) -> None:
    await collect(runtime.chat.send(place.id, "Hello.", MODEL))
    words = (await runtime.library.conversations.page(place.id))[3]
    server.will(stream("A."), stream("B."), stream("C."))
    await collect(runtime.chat.regenerate(words.id, MODEL))
    assert (await said(runtime, place))[4:] == [("Mira", "A."), ("Bao", "B."), ("Cleo", "C.")]
    assert (await runtime.library.conversations.page(place.id))[4].swipes == 2


async def test_group_greetings_come_first_and_follow_a_swipe(runtime: Runtime) -> None:
    one = await member(runtime, "Ann", group_only_greetings=["Ann waves at {{group}}."])
    two = await member(runtime, "Ben")
    group = await runtime.library.groups.create("Two", [one, two])
    place = await runtime.chat.start_group(group.id, user_name="Kit")
    assert await said(runtime, place) == [("Ann", "Ann waves at Ann, Ben."), ("Ben", "Ben greets Kit.")]
    opening, other = await runtime.library.conversations.page(place.id)
    assert (opening.swipes, other.swipes) == (3, 2)
    await runtime.chat.edits.swipe(other.id, 1)
    await runtime.chat.edits.swipe(opening.id, 1)
    assert await said(runtime, place) == [("Ann", "Ann greets Kit."), ("Ben", "Ben nods.")]
    carried = (await runtime.library.conversations.page(place.id))[1]
    assert carried.swipes == 2 and carried.speaker == two
    await runtime.chat.edits.swipe((await runtime.library.conversations.page(place.id))[0].id, -1)
    assert await said(runtime, place) == [("Ann", "Ann waves at Ann, Ben."), ("Ben", "Ben nods.")]
    assert len(await runtime.library.conversations.tree(place.id)) == 3 + 2 + 2
    await mute(runtime.library, group.id, two)
    assert len(await said(runtime, await runtime.chat.start_group(group.id))) == 1


async def test_a_speaker_that_was_deleted_is_told(runtime: Runtime, place: Conversation) -> None:
    await collect(runtime.chat.send(place.id, "Hello.", MODEL))
    last = (await runtime.library.conversations.page(place.id))[-1]
    await runtime.library.characters.delete(last.speaker)
    with pytest.raises(NotFound) as caught:
        await collect(runtime.chat.regenerate(last.id, MODEL))
    assert caught.value.code == "SPEAKER_GONE"
    await collect(runtime.chat.send(place.id, "Who is left?", MODEL))
    page = await said(runtime, place)
    assert page[-4][0] == "Cleo" and [name for name, _ in page[-2:]] == ["Mira", "Bao"]


async def test_a_group_of_muted_members_says_so(runtime: Runtime, group: Group, place: Conversation) -> None:
    await runtime.library.groups.set_members(group.id, [(one.character_id, True) for one in group.members])
    (event,) = await collect(runtime.chat.send(place.id, "Hello?", MODEL))
    assert isinstance(event, TurnStarted) and event.reply is None
    with pytest.raises(InvalidInput) as caught:
        await collect(runtime.chat.speak(place.id, MODEL))
    assert caught.value.code == "EVERYBODY_MUTED"
    events = await collect(runtime.chat.impersonate(place.id, MODEL))
    assert isinstance(events[-1], TurnCompleted) and events[-1].text == "One."


async def test_who_is_muted_while_a_round_runs_is_passed_over(
    runtime: Runtime, group: Group, place: Conversation
) -> None:
    async with aclosing(runtime.chat.send(place.id, "All of you!", MODEL)) as events:
        async for event in events:
            if isinstance(event, TurnStarted):
                await asyncio.sleep(0)
                await mute(runtime.library, group.id, group.members[1].character_id)
    assert [name for name, _ in (await said(runtime, place))[4:]] == ["Mira", "Cleo"]


async def test_the_name_a_model_puts_before_its_reply_is_not_kept(
    runtime: Runtime, server: ModelServer, place: Conversation
) -> None:
    server.will(stream("Mi", "ra: ", "Here."))
    events = await collect(
        runtime.chat.send(place.id, "Mira?", TurnOptions(model=MODEL.model, speaker="Mira"))
    )
    assert "".join(one.text for one in events if isinstance(one, TextDelta)) == "Here."
    last = (await runtime.library.conversations.page(place.id))[-1]
    assert (last.content, last.raw) == ("Here.", "Mira: Here.")


async def test_built_in_frameworks_know_the_group(
    runtime: Runtime, server: ModelServer, place: Conversation
) -> None:
    options = TurnOptions(model=MODEL.model, preset="mirror_realm")
    prompt = await runtime.chat.previews.prompt(place.id, "Good evening.", options)
    text = prompt.to_messages()[-1].content
    assert "Bao: Bao greets Traveller." in text and "Write Mira's next reply" in text
    assert not server.seen


async def test_the_practice_model_does_not_take_the_frame_for_words(
    runtime: Runtime, place: Conversation
) -> None:
    options = TurnOptions(preset="mirror_realm", speaker="Bao")
    await collect(runtime.chat.send(place.id, "What is on the table?", options))
    events = await collect(runtime.chat.speak(place.id, TurnOptions(preset="mirror_realm", speaker="Mira")))
    done = events[-1]
    assert isinstance(done, TurnCompleted) and done.message is not None and done.message.name == "Mira"
    assert "next reply" not in done.text and "Bao:" not in done.text


# A director


async def directed(runtime: Runtime, group: Group) -> None:
    from lunalux_core.library.profiles import Profile, ProfilePlace

    await runtime.library.groups.set(group.id, order="director")
    profile, _ = await runtime.library.profiles.save(Profile("Cheap", model="openai:test"))
    await runtime.library.profiles.use(ProfilePlace("task", "director"), profile.id)


@pytest.mark.parametrize("answer", ["Bao", "**bao.**", "Not Mira, since she spoke: it is Bao's turn."])
async def test_a_director_names_who_answers_after_the_words_are_stored(
    runtime: Runtime, server: ModelServer, group: Group, place: Conversation, answer: str
) -> None:
    await directed(runtime, group)
    server.will(stream(answer), stream("Here."))
    events = await collect(runtime.chat.send(place.id, "Good evening.", MODEL))
    assert (await said(runtime, place))[3:] == [("Traveller", "Good evening."), ("Bao", "Here.")]
    asked = sent(server, 0)
    assert "Mira" in asked[0]["content"] and "Traveller: Good evening." in asked[1]["content"]
    started = [event for event in events if isinstance(event, TurnStarted)]
    assert started[0].follows and started[0].reply is None and not started[1].follows


class NothingBetween:
    """The moments of a chat in which nothing is to run."""

    async def said(self) -> None:
        """The person's words are stored."""

    async def drafted(self, speaker: str) -> None:
        """A member is about to speak."""

    async def generating(self) -> None:
        """A reply is about to be made."""


async def test_a_directed_reply_that_is_stopped_is_kept_before_the_stop_returns(
    runtime: Runtime, server: ModelServer, group: Group, place: Conversation
) -> None:
    await directed(runtime, group)
    runtime.chat.loop.moments = NothingBetween()
    server.will(stream("Bao"), stream("Half", then="hang"))
    async with aclosing(runtime.chat.send(place.id, "Good evening.", MODEL)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    reply = (await runtime.library.conversations.page(place.id))[-1]
    assert (reply.name, reply.content, reply.status) == ("Bao", "Half", "stopped")


async def test_a_director_who_names_nobody_or_fails_leaves_it_to_the_natural_order(
    runtime: Runtime, server: ModelServer, group: Group, place: Conversation
) -> None:
    from lunalux_core.dialogue.turn import PluginFailed

    await directed(runtime, group)
    await mute(runtime.library, group.id, group.members[0].character_id)
    server.will(stream("Mira"), stream("Here."))
    await collect(runtime.chat.send(place.id, "Cleo, are you there?", MODEL))
    assert "Cleo" in [name for name, _ in (await said(runtime, place))[4:]]
    server.will(document({"error": {"message": "no"}}, 400), stream("Here."))
    events = await collect(runtime.chat.speak(place.id, MODEL))
    assert any(isinstance(event, PluginFailed) and event.plugin == "director" for event in events)
    assert (await said(runtime, place))[-1][1] == "Here."


async def test_a_director_directs_who_goes_on_and_is_not_asked_where_somebody_is_named(
    runtime: Runtime, server: ModelServer, group: Group, place: Conversation
) -> None:
    from dataclasses import replace

    await directed(runtime, group)
    server.will(stream("Cleo"), stream("I go on."))
    await collect(runtime.chat.answer(place.id, MODEL))
    assert (await said(runtime, place))[-1] == ("Cleo", "I go on.")
    server.seen.clear()
    server.will(stream("Me."))
    await collect(runtime.chat.speak(place.id, replace(MODEL, speaker="Mira")))
    assert (await said(runtime, place))[-1] == ("Mira", "Me.") and len(server.seen) == 1
