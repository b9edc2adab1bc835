"""Profiles: which one applies where, what a missing thing does, and what comes of SillyTavern's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llm_server import chunk, raw
from test_books_in_turns import ada
from test_directing import World, collect, world

from lunalux_core.config.config_file import save_model
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import SavedModel, load_settings
from lunalux_core.dialogue.turn import ProfileLacks, TurnOptions
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.importing.connection_profiles import connection_profiles
from lunalux_core.library.profiles import Profile, ProfilePlace
from lunalux_core.runtime import Runtime
from lunalux_core.templates.template_files import template_documents
from lunalux_core.templates.template_values import ReplyStart

END = (chunk("Yes."), chunk(finish="stop"), b"data: [DONE]\n\n")
SCRIPT = {
    "scriptName": "shout",
    "findRegex": "/Yes/g",
    "replaceString": "YES",
    "placement": [2],
    "disabled": False,
    "runOnEdit": False,
}


async def used(here: World, profile: Profile, place: ProfilePlace) -> Profile:
    saved, _ = await here.runtime.library.profiles.save(profile)
    await here.runtime.library.profiles.use(place, saved.id)
    return saved


async def turn(here: World, options: TurnOptions = TurnOptions()) -> tuple[dict[str, Any], list[Any]]:
    """The body that was sent, and what was told."""
    here.server.will(raw(*END))
    events = await collect(here.runtime.chat.send(here.place, "And?", options))
    return here.server.seen[-1].body, events


async def test_the_nearest_profile_applies_and_what_it_leaves_out_the_next(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(paths, monkeypatch) as here:
        shelf = here.runtime.library
        character = (await shelf.conversations.get(here.place)).character_id
        everywhere = Profile("All", model="openai:all", sampling={"temperature": 0.1, "seed": 1})
        await used(here, everywhere, ProfilePlace("global"))
        body, _ = await turn(here)
        assert (body["model"], body["temperature"], body["seed"]) == ("all", 0.1, 1)
        await used(
            here, Profile("Ada's", sampling={"temperature": 0.2}), ProfilePlace("character", character)
        )
        await used(
            here,
            Profile("Chat's", model="openai:here", stop=("END",)),
            ProfilePlace("conversation", here.place),
        )
        body, _ = await turn(here)
        assert (body["model"], body["temperature"], body["seed"], body["stop"]) == ("here", 0.2, 1, ["END"])
        await shelf.profiles.save(Profile("Once", model="openai:once"))
        body, _ = await turn(here, TurnOptions(profile="once", parameters={"seed": 7}))
        assert (body["model"], body["temperature"], body["seed"]) == ("once", 0.2, 7)
        body, _ = await turn(here, TurnOptions(profile="Once", model="openai:named"))
        assert body["model"] == "named"
        (newest, *_) = await shelf.records.list(here.place)
        record = await shelf.records.get(newest.number)
        assert record["profiles"] == ["Once", "Chat's", "Ada's", "All"]
        await shelf.profiles.use(ProfilePlace("conversation", here.place), "")
        assert (await turn(here))[0]["model"] == "all"
        with pytest.raises(NotFound):
            await turn(here, TurnOptions(profile="nobody's"))


async def test_tasks_have_profiles_of_their_own(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(paths, monkeypatch) as here:
        chat = here.runtime.chat
        await used(here, Profile("All", model="openai:all", preset="default"), ProfilePlace("global"))
        await used(here, Profile("Cheap", model="openai:cheap"), ProfilePlace("task", "memory"))
        await used(
            here,
            Profile("Me", model="openai:me", start=ReplyStart("", "I", show=True)),
            ProfilePlace("task", "impersonate"),
        )
        memory = await chat.previews.choice(here.place, "memory")
        assert (memory.model.name, memory.preset, memory.profiles) == (
            "openai:cheap",
            "default",
            ("Cheap", "All"),
        )
        assert (await chat.previews.choice(here.place, "tracker")).model.name == "openai:all"
        assert (await chat.previews.choice(here.place)).model.name == "openai:all"
        here.server.will(raw(*END))
        await collect(chat.impersonate(here.place))
        assert here.server.seen[-1].body["model"] == "me"


async def test_what_is_gone_is_told_and_the_next_applies(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(paths, monkeypatch) as here:
        gone = Profile("Old", model="sold", preset="lost", template="eaten", sampling={"seed": 3})
        await used(here, gone, ProfilePlace("conversation", here.place))
        await used(here, Profile("All", model="openai:all"), ProfilePlace("global"))
        body, events = await turn(here)
        assert (body["model"], body["seed"]) == ("all", 3)
        told = [
            (event.gap.profile, event.gap.part, event.gap.name)
            for event in events
            if isinstance(event, ProfileLacks)
        ]
        assert set(told) == {
            ("Old", "model", "sold"),
            ("Old", "preset", "lost"),
            ("Old", "template", "eaten"),
        }


async def test_presets_scripts_roles_and_beginnings(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(paths, monkeypatch) as here:
        library = here.runtime.library
        other = {"prompts": [{"identifier": "main", "content": "Sing."}, {"identifier": "chatHistory"}]}
        await library.presets.add("Song", other, enabled=False)
        await library.scripts.add("shout", SCRIPT)
        await turn(here)
        assert (await here.page())[-1].content == "YES."
        start = ReplyStart("", "Oh,", show=True)
        profile = Profile("P", preset="song", post_process="single", excluded=("shout",), start=start)
        await used(here, profile, ProfilePlace("conversation", here.place))
        body, _ = await turn(here)
        assert (await here.page())[-1].content == "Oh, Yes."
        assert [message["role"] for message in body["messages"]] == ["user"]
        assert "Sing." in body["messages"][0]["content"]
        await library.conversations.set(here.place, preset_id="p")
        assert "Sing." not in str((await turn(here))[0]), "a chat's own preset goes before its profiles'"
        body, _ = await turn(here, TurnOptions(profile="P"))
        assert "Sing." in str(body), "one that is named for the turn goes before that"


async def test_a_member_of_a_group_has_one(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(paths, monkeypatch) as here:
        library = here.runtime.library
        bea = await ada(here.runtime, name="Bea")
        owner = (await library.conversations.get(here.place)).character_id
        group = await library.groups.create("Both", [owner, bea])
        await library.groups.set(group.id, order="list")
        here.place = (await here.runtime.chat.start_group(group.id)).id
        await used(here, Profile("B", model="openai:bea"), ProfilePlace.of_member(group.id, bea))
        here.server.will(raw(*END))
        await collect(here.runtime.chat.send(here.place, "All?"))
        assert [seen.body["model"] for seen in here.server.seen] == ["some", "bea"]
        await library.groups.delete(group.id)
        assert await library.profiles.uses() == {}


async def test_a_text_model_gets_the_profiles_template(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SavedModel(
        name="base", provider="openai", model="m", base_url="http://127.0.0.1:9/v1", mode="text"
    )
    save_model(paths.config_file, config)
    settings = load_settings(paths, {"LUNALUX_LANG": "en"}).with_value("chat.model", "base")
    async with Runtime.open(settings) as runtime:
        place = (await runtime.chat.start(await ada(runtime))).id
        document = {"name": "Mine", "input_sequence": "<<ME>>", "output_sequence": "<<IT>>"}
        for one in template_documents(document, "Mine"):
            await runtime.library.templates.add(one)
        profile, _ = await runtime.library.profiles.save(Profile("T", template="Mine"))
        await runtime.library.profiles.use(ProfilePlace("global"), profile.id)
        assert "<<ME>>" in (await runtime.chat.previews.prompt(place, "Hello")).text
        parts = Profile("T", template="ChatML", parts={"instruct": "Mine"})
        await runtime.library.profiles.save(parts)
        assert "<<ME>>" in (await runtime.chat.previews.prompt(place, "Hello")).text


async def test_profiles_go_with_what_they_are_used_for(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(paths, monkeypatch) as here:
        library = here.runtime.library
        saved = await used(here, Profile("P"), ProfilePlace("conversation", here.place))
        await library.conversations.delete(here.place)
        assert await library.profiles.uses() == {}
        await library.profiles.use(ProfilePlace("global"), saved.id)
        await library.profiles.delete(saved.id)
        assert await library.profiles.uses() == {}
        for name in ("", "  ", "None"):
            with pytest.raises(InvalidInput):
                await library.profiles.save(Profile(name))


SETTINGS = {
    "extension_settings": {
        "connectionManager": {
            "selectedProfile": "b",
            "profiles": [
                {
                    "id": "a",
                    "mode": "tc",
                    "name": "Local",
                    "api": "llamacpp",
                    "api-url": "http://10.0.0.1:5000?key=SECRET",
                    "preset": "Deterministic",
                    "model": "mistral-nemo",
                    "instruct": "ChatML",
                    "instruct-state": "true",
                    "context": "ChatML",
                    "sysprompt": "Roleplay",
                    "sysprompt-state": "false",
                    "reasoning-template": "DeepSeek",
                    "stop-strings": '["\\nUser:", "###"]',
                    "start-reply-with": "Sure,",
                    "tokenizer": "best_match",
                    "secret-id": "SECRET",
                    "exclude": [],
                },
                {
                    "id": "b",
                    "mode": "cc",
                    "name": "Cloud",
                    "api": "openai",
                    "proxy": "SECRET",
                    "model": "gpt-x",
                    "instruct": "ChatML",
                    "stop-strings": "[]",
                    "prompt-post-processing": "semi_tools",
                    "exclude": ["model"],
                },
                {"id": "c"},
                7,
            ],
        }
    }
}


def test_connection_profiles_bring_names_and_nothing_secret() -> None:
    local, cloud = connection_profiles(SETTINGS)
    assert local.profile == Profile(
        "Local",
        model="mistral-nemo",
        preset="Deterministic",
        parts={"instruct": "ChatML", "context": "ChatML", "reasoning": "DeepSeek"},
        start=ReplyStart("", "Sure,", show=True),
        stop=("\nUser:", "###"),
    )
    assert not local.in_use and cloud.in_use
    assert cloud.profile == Profile("Cloud", post_process="semi-strict")
    assert "SECRET" not in json.dumps([local.profile.as_document(), cloud.profile.as_document(), local.notes])


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [1], {"a": 1}, "[", "[[[", True])
def test_profiles_of_the_wrong_shape_are_read_for_what_makes_sense(value: Any) -> None:
    row = SETTINGS["extension_settings"]["connectionManager"]["profiles"][0]  # type: ignore[index]
    for key in row:  # type: ignore[union-attr]
        if key != "name":
            connection_profiles({"profiles": [{**row, key: value}], "selectedProfile": value})  # type: ignore[dict-item]
    assert connection_profiles({"extension_settings": value}) == []
    assert connection_profiles(value) == []
