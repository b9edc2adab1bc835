"""The library as files, both ways: what changes on one side arrives on the other, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mirror_world import ADA, BOOK, PRESET, STORY, World

from lunalux_core.cards.card import Card
from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.export import export_card
from lunalux_core.cards.placeholder_picture import placeholder_png
from lunalux_core.config.settings import load_settings
from lunalux_core.errors import InvalidInput, LunaluxError, StorageError
from lunalux_core.importing import import_data
from lunalux_core.library.conversations import select_message, update_message
from lunalux_core.mirror.mirror import opened
from lunalux_core.runtime import Runtime


@pytest.fixture
async def world(home: Path, tmp_path: Path) -> AsyncIterator[World]:
    async with Runtime.open(load_settings()) as runtime:
        world = World(runtime, tmp_path / "folder")
        await world.begin()
        yield world


async def test_a_library_becomes_files_and_a_second_pass_changes_nothing(world: World) -> None:
    assert {event.action for event in await world.run()} == {"written"}
    assert world.paths() == {
        f"{ADA}/card.json",
        f"{ADA}/card.png",
        STORY,
        "worldbooks/Reef.json",
        "presets/Slow.json",
    }
    card = json.loads(world.read(f"{ADA}/card.json"))
    assert card["spec"] == "chara_card_v3" and card["data"]["extensions"] == {"odd": [1]}
    assert json.loads(world.read("worldbooks/Reef.json")) == BOOK
    story = world.read()
    assert (
        story.index("## Ada <!--") < story.index("Hi.") < story.index("## Bo <!--") < story.index("Who are")
    )
    # The picture is no card any more: card.json is.
    with pytest.raises(LunaluxError):
        read_card((world.folder / ADA / "card.png").read_bytes())
    await world.settled()


async def test_edits_arrive_on_both_sides(world: World) -> None:
    await world.run()
    world.change("Who are you?", "Who is there?\n\n## Not a message".replace("## ", "\\## "))
    world.change("Keeps a lighthouse.", "Keeps a lamp.", f"{ADA}/card.json")
    world.change("Sharp.", "Very sharp.", "worldbooks/Reef.json")
    world.change("Write.", "Write slowly.", "presets/Slow.json")
    text = world.read()
    assert await world.told() == [
        ("taken", f"{ADA}/card.json"),
        ("taken", STORY),
        ("taken", "worldbooks/Reef.json"),
        ("taken", "presets/Slow.json"),
    ]
    assert world.read() == text  # git sees no more than the person changed
    assert await world.shown() == ["Hi.", "Who is there?\n\n## Not a message", "Ada. "]
    assert "Keeps a lamp." in (await world.library.characters.get(world.ada)).document
    (book,) = await world.library.worldbooks.list()
    assert (
        book.document["entries"]["0"]["content"] == "Very sharp."
        and book.document["entries"]["0"]["own"] == 1
    )
    (preset,) = await world.library.presets.list()
    assert preset.document["prompts"][0]["content"] == "Write slowly."
    await world.settled()
    # As in the app, an edit can be taken back; and that goes into the file.
    await world.runtime.chat.edits.undo(world.story)
    await world.say("user", "Bo", "And now?")
    await world.library.conversations.rename(world.story, "A night")
    assert await world.told() == [("written", STORY)]
    assert "Who are you?" in world.read() and "And now?" in world.read() and '"A night"' in world.read()
    world.change('title: "A night"', "title: A long night")
    assert await world.told() == [("taken", STORY)]
    assert (await world.library.conversations.get(world.story)).title == "A long night"
    await world.settled()


async def test_new_messages_at_the_end_speak_as_their_headings_say(world: World) -> None:
    await world.run()
    world.add(
        "\n## bo\n\nFrom the file.\n\n## Narrator\n\nRain.\n\n## ada\nYes?\n\n## Guard\n\nHalt!\n\n## You\n"
    )
    assert await world.told() == [("taken", STORY)]
    tree = (await world.tree())[3:]
    assert [(m.role, m.name, m.content, m.by_somebody) for m in tree] == [
        ("user", "bo", "From the file.", False),
        ("system", "Narrator", "Rain.", False),
        ("assistant", "ada", "Yes?", False),
        ("assistant", "Guard", "Halt!", True),
    ]
    assert (await world.shown())[-1] == "Halt!"
    assert world.read().count("<!--") == 7 and world.read().endswith("\n## You\n")
    await world.settled()
    # An editor that never saw the ids writes the file once more without them.
    world.change(f"## Guard <!-- {tree[-1].id} assistant -->\n\nHalt!", "## Guard\n\nHalt! Who goes there?")
    await world.run()
    assert (await world.shown())[-1] == "Halt! Who goes there?"
    assert len(await world.tree()) == 7
    await world.settled()


async def test_what_is_no_edit_becomes_a_branch_with_a_file(world: World) -> None:
    await world.run()
    ends = world.read().index("## Ada <!--", 80)
    (world.folder / STORY).write_text(
        world.read()[:ends] + "## Bo\n\nI ask again.\n\n## Ada\n\nThen listen.\n"
    )
    assert await world.told() == [("taken", STORY), ("written", f"{ADA}/stories/An evening (branch 2).md")]
    assert await world.lines() == {
        ("Hi.", "Who are you?", "Ada. "),
        ("Hi.", "Who are you?", "I ask again.", "Then listen."),
    }
    assert (await world.shown())[-1] == "Then listen."  # the person's own ending is what is read on
    assert "Ada. " in world.read(f"{ADA}/stories/An evening (branch 2).md")
    await world.settled()
    # A copy that goes another way is a branch, too; one that does not is left alone.
    shutil.copy(world.folder / STORY, world.folder / ADA / "stories/copy.md")
    assert await world.run() == []
    world.change("Then listen.", "Then go.", f"{ADA}/stories/copy.md")
    assert await world.told() == [("added", f"{ADA}/stories/copy.md")]
    assert len(await world.lines()) == 3
    await world.settled()
    # An old copy does not take the place of a file that is missing: its words would replace newer ones.
    shutil.copy(world.folder / STORY, world.folder / ADA / "stories/old.md")
    assert await world.run() == []
    world.change("I ask again.", "I ask once more.")
    await world.run()
    (world.folder / STORY).unlink()
    world.change("Then listen.", "Then sleep.", f"{ADA}/stories/old.md")
    assert sorted(await world.told()) == [("added", f"{ADA}/stories/old.md"), ("restored", STORY)]
    assert ("Hi.", "Who are you?", "I ask once more.", "Then listen.") in await world.lines()
    assert ("Hi.", "Who are you?", "I ask again.", "Then sleep.") in await world.lines()
    await world.settled()


async def test_a_message_in_between_keeps_what_follows(world: World) -> None:
    await world.run()
    place = world.read().index("## Ada <!--", 80)
    (world.folder / STORY).write_text(world.read()[:place] + "## Bo\n\nMore.\n\n" + world.read()[place:])
    await world.run()
    assert await world.lines() == {
        ("Hi.", "Who are you?", "Ada. "),
        ("Hi.", "Who are you?", "More.", "Ada. "),
    }
    assert "More." in world.read()
    await world.settled()


async def test_what_is_missing_in_a_file_stays_in_the_library(world: World) -> None:
    await world.run()
    before = world.read()
    place = before.index("## Bo <!--")
    (world.folder / STORY).write_text(before[:place] + before[before.index("## Ada <!--", place) :])
    (event,) = await world.run()
    assert (event.action, event.missing) == ("restored", 1)
    assert world.read() == before
    for path in (STORY, f"{ADA}/card.json", f"{ADA}/card.png", "worldbooks/Reef.json"):
        (world.folder / path).unlink()
    assert {event.action for event in await world.run()} == {"restored"}
    assert world.read() == before
    await world.settled()


async def test_a_conflict_keeps_both(world: World) -> None:
    await world.run()
    ids = [message.id for message in await world.tree()]
    world.change("Who are you?", "Who, by the sea?")
    await world.runtime.chat.edits.edit(ids[1], "Who, by the lamp?")
    event, fresh = await world.run()
    assert (event.action, event.path) == ("conflict", STORY)
    assert (fresh.action, fresh.path) == ("written", event.kept)
    assert "by the sea" in world.read() and "by the lamp" in world.read(event.kept)
    assert await world.lines() == {
        ("Hi.", "Who, by the lamp?", "Ada. "),
        ("Hi.", "Who, by the sea?", "Ada. "),
    }
    assert "Who, by the lamp?" in await world.shown()  # what is on the screen stays there
    await world.settled()

    for path, old in ((f"{ADA}/card.json", "lighthouse"), ("worldbooks/Reef.json", "Sharp")):
        world.change(old, "FILE", path)
    card = Card.parse((await world.library.characters.get(world.ada)).document)
    changed = card.with_edits({"data.description": "LIBRARY"}).export("v3")
    loaded = json.dumps(changed).encode()
    from lunalux_core.importing.card_import import new_character

    new = new_character(world.ada, read_card(loaded))
    await world.library.characters.replace(world.ada, new)
    (book,) = await world.library.worldbooks.list()
    await world.library.worldbooks.save(book.id, document={**BOOK, "extra": "LIBRARY"})
    events = await world.run()
    assert [event.action for event in events] == ["conflict", "conflict"]
    for event in events:
        assert "(conflict " in event.kept
        assert "FILE" in world.read(event.kept) and "FILE" not in world.read(event.path)
        assert "LIBRARY" in world.read(event.path)
    await world.settled()
    assert len(await world.library.characters.list()) == 1
    assert len(await world.library.worldbooks.list()) == 1


async def test_both_sides_went_on(world: World) -> None:
    await world.run()
    await world.say("user", "Bo", "In the app.")
    world.add("\n## Bo\n\nIn the file.\n")
    event, _ = await world.run()
    assert event.action == "conflict" and "In the app." in world.read(event.kept)
    assert {line[-1] for line in await world.lines()} == {"In the app.", "In the file."}
    assert (await world.shown())[-1] == "In the app."
    await world.settled()


async def test_new_files_become_new_things(world: World) -> None:
    await world.run()
    fresh = world.folder / "characters/Cy"
    (fresh / "stories").mkdir(parents=True)
    (fresh / "card.json").write_bytes(export_card(Card.new("Cy", first_mes="Ahoy."), "json"))
    (fresh / "card.png").write_bytes(placeholder_png())
    (fresh / "stories/First.md").write_text("## Cy\n\nAhoy.\n\n## You\n\nAhoy, Cy.\n")
    (world.folder / "worldbooks/Sand.json").write_text(json.dumps({**BOOK, "name": ""}))
    (world.folder / "presets/Fast.json").write_text(json.dumps(PRESET))
    assert await world.told() == [
        ("added", "characters/Cy/card.json"),
        ("taken", "characters/Cy/card.png"),
        ("added", "characters/Cy/stories/First.md"),
        ("added", "worldbooks/Sand.json"),
        ("added", "presets/Fast.json"),
    ]
    cy = (await world.library.characters.find("Cy")).summary
    assert cy.picture and (world.library.characters.pictures / cy.picture).is_file()
    (story,) = await world.library.conversations.list(cy.id)
    assert (story.title, story.length) == ("First", 2)
    messages = await world.library.conversations.page(story.id)
    assert [(m.role, m.name) for m in messages] == [("assistant", "Cy"), ("user", "Traveller")]
    books = {book.name: book.enabled for book in await world.library.worldbooks.list()}
    assert books["Sand"] is False  # nothing that is imported is switched on by itself
    await world.settled()


async def test_what_the_library_deleted_leaves_the_folder_for_the_trash(world: World) -> None:
    await world.run()
    (book,) = await world.library.worldbooks.list()
    await world.library.worldbooks.delete(book.id)
    await world.library.conversations.delete(world.story)
    (event, _) = await world.run()
    assert event.action == "removed" and "Ada. " in world.read(event.kept)
    assert world.paths() == {f"{ADA}/card.json", f"{ADA}/card.png", "presets/Slow.json"}
    await world.settled()
    # One that was changed meanwhile comes back: nobody deleted those words.
    world.change("lighthouse", "lantern", f"{ADA}/card.json")
    await world.library.characters.delete(world.ada)
    assert ("added", f"{ADA}/card.json") in await world.told()
    assert "lantern" in (await world.library.characters.find("Ada")).document
    await world.settled()


async def test_files_that_a_person_renames_stay_the_same_things(world: World) -> None:
    await world.run()
    (world.folder / ADA).rename(world.folder / "characters/Countess")
    (world.folder / "worldbooks/Reef.json").rename(world.folder / "worldbooks/Rocks.json")
    assert {event.action for event in await world.run()} == {"moved"}
    assert f"characters/Countess/{STORY.removeprefix(ADA)[1:]}" in world.paths()
    assert len(world.paths()) == 5
    assert len(await world.library.characters.list()) == len(await world.library.worldbooks.list()) == 1
    assert len(await world.library.conversations.list()) == 1
    await world.settled()


async def test_what_was_renamed_and_changed_is_no_new_thing(world: World) -> None:
    await world.run()
    (world.folder / ADA).rename(world.folder / "characters/Ida")
    world.change('"name": "Ada"', '"name": "Ida"', "characters/Ida/card.json")
    story = STORY.replace("Ada", "Ida")
    world.change("Who are you?", "Who is it?", story)
    for path in ("characters/Ida/card.json", story):
        os.utime(world.folder / path, (1e9, 1e9))  # long ago: its time says nothing of the change
    await world.run()
    (ida,) = await world.library.characters.list()
    assert (ida.id, ida.name) == (world.ada, "Ida")
    assert await world.shown() == ["Hi.", "Who is it?", "Ada. "]
    assert not (world.folder / ADA).exists()
    await world.settled()


async def test_scripts_that_a_file_brings_wait_for_a_word(world: World) -> None:
    await world.library.characters.allow_scripts(world.ada, True)
    await world.run()
    world.change("Keeps a lighthouse.", "Keeps a lamp.", f"{ADA}/card.json")
    await world.run()
    assert (await world.library.characters.get(world.ada)).scripts_allowed is True
    script = {"scriptName": "x", "findRegex": "/a/g", "replaceString": "b", "placement": [2]}
    world.change('"odd": [', f'"regex_scripts": [{json.dumps(script)}], "odd": [', f"{ADA}/card.json")
    await world.run()
    assert (await world.library.characters.get(world.ada)).scripts_allowed is None


async def test_pictures_go_both_ways(world: World) -> None:
    await world.run()
    red = (Path(__file__).resolve().parents[2] / "docs/pictures").glob("*.png")
    data = next(iter(sorted(red))).read_bytes()
    (world.folder / ADA / "card.png").write_bytes(data)
    assert await world.told() == [("taken", f"{ADA}/card.png")]
    summary = (await world.library.characters.get(world.ada)).summary
    picture = world.library.characters.picture_path(summary)
    assert picture is not None and picture.read_bytes() == data
    assert [p.name for p in world.library.characters.pictures.glob(f"{world.ada}.*")] == [picture.name]
    await world.settled()
    (world.folder / ADA / "card.png").write_bytes(b"no picture")
    (event,) = await world.run()
    assert event.action == "skipped" and event.error is not None and event.error.code == "PICTURE_UNKNOWN"
    assert (world.folder / ADA / "card.png").read_bytes() == b"no picture"


async def test_versions_of_a_message_make_no_files_and_branches_do(world: World) -> None:
    ids = [message.id for message in await world.tree()]
    await world.say("assistant", "Ada", "Another Ada.", under=ids[1])
    await world.run()
    assert len([path for path in world.paths() if path.endswith(".md")]) == 1
    other = await world.say("user", "Bo", "Or not.", under=ids[0])
    reply = await world.say("assistant", "Ada", "Not.", under=other)
    assert await world.told() == [("written", f"{ADA}/stories/An evening (branch 2).md")]
    # What is shown changes, and each file stays that of its branch.
    await world.library.database.write(lambda c: select_message(c, reply))
    assert await world.run() == []
    # A message that both have is the same in both.
    world.change("Hi.", "Good day.")
    assert await world.told() == [("taken", STORY), ("written", f"{ADA}/stories/An evening (branch 2).md")]
    assert "Good day." in world.read(f"{ADA}/stories/An evening (branch 2).md")
    await world.settled()


async def test_a_running_reply_is_left_alone(world: World) -> None:
    await world.run()
    running = await world.say("assistant", "Ada", "I was", status="pending")
    assert await world.run() == []
    world.add("\n## Bo\n\nMeanwhile.\n")
    assert await world.told() == [("waiting", STORY)]
    assert "Meanwhile." in world.read()
    await world.library.database.write(
        lambda c: update_message(c, running, status="done", content="I was here.")
    )
    assert [event.action for event in await world.run()] == ["conflict", "written"]
    assert {line[-1] for line in await world.lines()} == {"I was here.", "Meanwhile."}


async def test_stories_of_groups_have_a_folder_of_their_own(world: World) -> None:
    card = export_card(Card.new("Cy", first_mes="Ahoy."), "json")
    cy = (await import_data(world.library, world.runtime.paths, card, "cy.json")).id
    group = await world.library.groups.create("The watch", [world.ada, cy])
    place = await world.runtime.chat.start_group(group.id, title="First night")
    await world.run()
    path = "groups/The watch/stories/First night.md"
    world.add("\n## Cy\n\nAye.\n", path)
    await world.run()
    last = (await world.library.conversations.page(place.id))[-1]
    assert (last.content, last.speaker) == ("Aye.", cy)
    await world.settled()
    (world.folder / "groups/The watch").rename(world.folder / "groups/Watch")
    await world.runtime.chat.start_group(group.id, title="Second night")
    assert [event.action for event in await world.run()] == ["moved", "written"]
    stories = [path for path in world.paths() if path.startswith("groups/")]
    assert {str(Path(path).parent) for path in stories} == {"groups/Watch/stories"} and len(stories) == 2
    await world.settled()


@pytest.mark.skipif(os.name != "posix", reason="links and modes")
async def test_what_cannot_be_used_is_told_and_stays(world: World, tmp_path: Path) -> None:
    await world.run()
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(BOOK))
    (world.folder / "worldbooks/link.json").symlink_to(secret)
    (world.folder / "characters/linked").symlink_to(tmp_path)
    (world.folder / "presets/dir.json").mkdir()
    os.mkfifo(world.folder / "presets/pipe.json")
    (world.folder / "presets/bytes.json").write_bytes(b'{"\xff": 1}')
    (world.folder / "presets/broken.json").write_text("{")
    (world.folder / "worldbooks/preset.json").write_text("[1]")
    with (world.folder / "worldbooks/huge.json").open("wb") as file:
        file.truncate(64 * 2**20)
    (world.folder / STORY).write_bytes(b"## Ada\n\n\xff\n")
    (world.folder / f"{ADA}/card.json").unlink()
    (world.folder / f"{ADA}/card.json").symlink_to(secret)
    before = (world.folder / STORY).read_bytes(), secret.read_bytes()
    events = await world.run()
    assert {(event.path, event.error.code if event.error else event.action) for event in events} >= {
        ("worldbooks/link.json", "MIRROR_LINK"),
        ("characters/linked", "MIRROR_LINK"),
        ("presets/dir.json", "MIRROR_NOT_A_FILE"),
        ("presets/pipe.json", "MIRROR_NOT_A_FILE"),
        ("presets/bytes.json", "MIRROR_NOT_TEXT"),
        ("presets/broken.json", "JSON_INVALID"),
        ("worldbooks/huge.json", "FILE_TOO_LARGE"),
        (STORY, "MIRROR_NOT_TEXT"),
        (f"{ADA}/card.json", "MIRROR_LINK"),
    }
    assert {event.action for event in events} == {"skipped"}
    assert ((world.folder / STORY).read_bytes(), secret.read_bytes()) == before
    assert await world.shown() == ["Hi.", "Who are you?", "Ada. "]


@pytest.mark.skipif(os.name != "posix", reason="links")
async def test_a_planted_memory_leads_nowhere_else(world: World, tmp_path: Path) -> None:
    await world.run()
    target = tmp_path / "outside"
    target.mkdir()
    (target / "victim.json").write_text("{}")
    memory = world.folder / ".lunalux/base.jsonl"
    lines = memory.read_text().replace("worldbooks/Reef.json", "worldbooks/../../outside/victim.json")
    memory.write_text(lines)
    (world.folder / ".lunalux/trash").symlink_to(target)
    (book,) = await world.library.worldbooks.list()
    await world.library.worldbooks.delete(book.id)
    await world.library.conversations.delete(world.story)
    await world.run()
    assert [path.name for path in target.iterdir()] == ["victim.json"]
    assert (target / "victim.json").read_text() == "{}"
    memory.rename(tmp_path / "mine")
    memory.symlink_to(tmp_path / "mine")
    world.change("lighthouse", "lamp", f"{ADA}/card.json")
    before = (tmp_path / "mine").read_bytes()
    with pytest.raises(StorageError):
        await world.run()
    assert (tmp_path / "mine").read_bytes() == before


async def test_hostile_and_equal_names_stay_apart_and_inside(world: World) -> None:
    names = ["../../out", "CON", "ada", "ADA", "a/b\\c", "é", "e\u0301", "\x1b[2J", "字" * 200, "", "x."]
    for number, name in enumerate(names):
        card = export_card(Card.new(name, description=str(number), first_mes="x"), "json")
        await import_data(world.library, world.runtime.paths, card, f"{number}.json")
        await world.library.conversations.create(world.ada, name)
    await world.run()
    folders = [path.name for path in (world.folder / "characters").iterdir()]
    assert len({name.casefold() for name in folders}) == len(folders) == len(names) + 1
    assert all(len(os.fsencode(name)) < 200 and "\x1b" not in name for name in folders)
    assert not (world.folder.parent / "out").exists()
    await world.settled()


async def test_a_dry_run_tells_and_does_nothing(world: World) -> None:
    events = await world.run(dry=True)
    assert len(events) == 5 and not world.folder.exists()
    await world.run()
    world.add("\n## Bo\n\nNew.\n")
    world.change("lighthouse", "lamp", f"{ADA}/card.json")
    before, stats = await world.tree(), world.stats()
    assert [event.action for event in await world.run(dry=True)] == ["taken", "taken"]
    assert (await world.tree(), world.stats()) == (before, stats)
    assert [event.action for event in await world.run()] == ["taken", "taken"]


async def test_folders_that_are_refused(world: World, tmp_path: Path, home: Path) -> None:
    for folder, code in (
        (home, "MIRROR_IN_HOME"),
        (home / "x", "MIRROR_IN_HOME"),
        (world.runtime.paths.data / "x", "MIRROR_IN_HOME"),
        (tmp_path / "file", "MIRROR_FOLDER"),
    ):
        (tmp_path / "file").touch()
        world.folder = folder
        with pytest.raises(InvalidInput) as refused:
            await world.run()
        assert refused.value.code == code
    world.folder = tmp_path / "folder"
    await world.run()
    paths = world.runtime.paths
    with (
        opened(world.library, paths, world.folder, lambda: world.runtime.reader),
        pytest.raises(StorageError) as busy,
    ):
        await world.run()
    assert busy.value.code == "MIRROR_BUSY"
    await world.library.state.set("mirror_id", "another")
    with pytest.raises(InvalidInput) as other:
        await world.run()
    assert other.value.code == "MIRROR_OTHER_LIBRARY"


async def test_a_folder_without_its_memory_is_found_to_be_the_same(world: World) -> None:
    """As after a git clone: nothing is doubled, and a story that went on in the file goes on."""
    await world.run()
    shutil.rmtree(world.folder / ".lunalux")
    assert await world.run() == []
    world.add("\n## Bo\n\nElsewhere.\n")
    shutil.rmtree(world.folder / ".lunalux")
    assert await world.told() == [("taken", STORY)]
    assert (await world.shown())[-1] == "Elsewhere."
    assert len(await world.library.characters.list()) == 1
    await world.settled()


async def test_git_sees_only_what_was_changed(world: World) -> None:
    git_home = {**os.environ, "HOME": str(world.folder), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words: str) -> str:
        name = ["-c", "user.name=Bo", "-c", "user.email=bo@localhost"]
        done = subprocess.run(
            ["git", "-C", str(world.folder), *name, *words],
            check=True,
            capture_output=True,
            text=True,
            env=git_home,
        )
        return done.stdout

    await world.run()
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "one")
    assert ".lunalux" not in git("ls-files")
    world.change("Who are you?", "Who is it?")
    git("commit", "-qam", "two")
    assert await world.told() == [("taken", STORY)]
    assert git("status", "--porcelain") == "" and await world.shown() == ["Hi.", "Who is it?", "Ada. "]
    git("checkout", "-q", "HEAD~1")
    await world.run()
    assert git("status", "--porcelain") == "" and await world.shown() == ["Hi.", "Who are you?", "Ada. "]
