"""Where drafts lie, and their way into the library and out of it."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.placeholder_picture import placeholder_png
from lunalux_core.config.settings import load_settings
from lunalux_core.editor.card_fields import BY_ID
from lunalux_core.editor.card_worldbook import BookView
from lunalux_core.editor.draft import Draft
from lunalux_core.editor.draft_files import export, read_picture, read_snapshot, write_export
from lunalux_core.editor.draft_store import DraftStore
from lunalux_core.editor.worldbook_test import try_book
from lunalux_core.errors import InvalidInput, LimitExceeded
from lunalux_core.importing import import_data
from lunalux_core.runtime import Runtime


async def test_a_draft_is_there_again_after_the_program_was_gone() -> None:
    async with Runtime.open(load_settings()) as runtime:
        draft_store = DraftStore(runtime.library)
        draft = await draft_store.open()
        draft.write(BY_ID["name"], "Ann \ud83d[b]")
        draft.attach(read_picture(placeholder_png()))
        await draft_store.keep(draft)
    async with Runtime.open(load_settings()) as runtime:
        draft_store = DraftStore(runtime.library)
        assert [draft.name for draft in await draft_store.drafts()] == ["Ann \ufffd[b]"]
        again = await draft_store.open(await draft_store.current())
        assert again.document == draft.document and again.changed
        assert again.snapshot.picture is not None
        assert again.snapshot.picture.data == placeholder_png()


async def test_a_saved_character_keeps_what_the_editor_does_not_know(shared: Path) -> None:
    data = (shared / "cards" / "Seraphina.png").read_bytes()
    async with Runtime.open(load_settings()) as runtime:
        stored = (await import_data(runtime.library, runtime.paths, data, "Seraphina.png")).id
        before = read_card(data).card.document
        draft_store = DraftStore(runtime.library)
        draft = await draft_store.open(stored)
        assert not draft.changed
        draft.write(BY_ID["nickname"], "Sera")
        await draft_store.keep(draft)
        assert await draft_store.save(draft) == stored
        assert not await draft_store.drafts() and not draft.changed
        character = await runtime.library.characters.get(stored)
        again = await draft_store.open(stored)
        assert again.document == {**before, "data": {**before["data"], "nickname": "Sera"}}
        picture = runtime.library.characters.picture_path(character.summary)
        assert picture is not None and picture.read_bytes() == data
        exported = export(again.snapshot, "png")
        assert read_card(exported).card.get("nickname") == "Sera"


async def test_a_new_picture_replaces_the_old_file_and_no_draft_file_stays() -> None:
    async with Runtime.open(load_settings()) as runtime:
        draft_store = DraftStore(runtime.library)
        draft = Draft.new(name="Ann")
        first = await draft_store.save(draft)
        draft.attach(read_picture(placeholder_png()))
        assert draft.changed
        await draft_store.keep(draft)
        assert await draft_store.save(draft) == first
        other = placeholder_png() + b"more"
        draft.attach(read_picture(other))
        await draft_store.save(draft)
        files = sorted(path.name for path in runtime.paths.pictures.iterdir())
        summary = (await runtime.library.characters.get(first)).summary
        assert files == [summary.picture]
        assert (runtime.paths.pictures / files[0]).read_bytes() == other
        draft.attach(None)
        await draft_store.save(draft)
        assert not list(runtime.paths.pictures.iterdir())
        assert draft.undo() is not None and draft.changed
        await draft_store.save(draft)
        assert len(list(runtime.paths.pictures.iterdir())) == 1


async def test_several_drafts_wait_beside_each_other_and_a_deleted_character_loses_none() -> None:
    async with Runtime.open(load_settings()) as runtime:
        draft_store = DraftStore(runtime.library)
        ann = Draft.new(name="Ann")
        identity = await draft_store.save(ann)
        ann.write(BY_ID["scenario"], "A harbour")
        await draft_store.keep(ann)
        fresh = await draft_store.open("")
        fresh.write(BY_ID["name"], "Bob")
        await draft_store.keep(fresh)
        assert {draft.key for draft in await draft_store.drafts()} == {identity, ""}
        third = await draft_store.open(await draft_store.free_slot())
        third.write(BY_ID["name"], "Cid")
        await draft_store.keep(third)
        assert {draft.name for draft in await draft_store.drafts() if draft.is_new} == {"Bob", "Cid"}
        await draft_store.save(await draft_store.open(third.key))
        assert {draft.name for draft in await draft_store.drafts() if draft.is_new} == {"Bob"}
        await runtime.library.characters.delete(identity)
        again = await draft_store.open(identity)
        assert again.card.scenario == "A harbour" and again.changed
        saved = await draft_store.save(again)
        assert saved != identity
        assert (await runtime.library.characters.get(saved)).name == "Ann"


async def test_a_change_from_elsewhere_is_noticed() -> None:
    async with Runtime.open(load_settings()) as runtime:
        draft_store = DraftStore(runtime.library)
        identity = await draft_store.save(Draft.new(name="Ann"))
        here, there = await draft_store.open(identity), await draft_store.open(identity)
        there.write(BY_ID["name"], "Anna")
        await draft_store.save(there)
        assert await draft_store.changed_elsewhere(here)
        assert not await draft_store.changed_elsewhere(there)


async def test_nothing_without_a_name_gets_into_the_library() -> None:
    async with Runtime.open(load_settings()) as runtime:
        with pytest.raises(InvalidInput, match="no name"):
            await DraftStore(runtime.library).save(Draft.new())


def test_a_jpeg_becomes_png_only_in_a_png_and_an_archive_keeps_its_files(shared: Path) -> None:
    out = BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "JPEG")
    draft = Draft.new(name="Ann")
    draft.attach(read_picture(out.getvalue()))
    assert read_card(export(draft.snapshot, "png")).name == "Ann"
    archive = export(draft.snapshot, "charx")
    assert read_card(archive).picture == out.getvalue()
    snapshot, _ = read_snapshot(archive, "ann.charx")
    assert read_card(export(snapshot, "charx")).picture == out.getvalue()
    with pytest.raises(InvalidInput, match="no picture"):
        read_picture(b"GIF? no")


def with_book(texts: dict[str, str]) -> Draft:
    """A character whose worldbook has an entry for each key."""
    draft = Draft.new(name="Ann")
    for word, content in texts.items():
        edits, key = BookView(draft.document).added()
        draft.edit(edits, "book")
        view = BookView(draft.document)
        slot = view.at(key)
        assert slot is not None
        draft.edit(view.changed(slot, BookView({}), keys=(word,), content=content), "book")
    return draft


async def test_a_trial_says_why_for_every_entry() -> None:
    draft = with_book({"sword": "It is named Dawn", "dawn": "It glows", "bow": "No string"})
    async with Runtime.open(load_settings()) as runtime:
        result = try_book(draft.document, "my sword", runtime.settings, runtime.engine)
    assert {entry.uid: (entry.reason, entry.pass_number) for entry in result.activated} == {
        0: ("key", 1),
        1: ("key", 2),
    }
    assert {entry.uid: entry.reason for entry in result.skipped} == {2: "no_key"}


async def test_a_trial_tells_of_patterns_that_never_end_or_are_none() -> None:
    draft = with_book(dict.fromkeys(("/(x+x+)+y/", "/(/", "/sw.rd/"), "It glows"))
    async with Runtime.open(load_settings()) as runtime:
        result = try_book(draft.document, "my sword " + "x" * 60, runtime.settings, runtime.engine)
    assert {entry.uid: entry.reason for entry in result.skipped if entry.uid in (0, 1)} == {
        0: "slow_key",
        1: "bad_key",
    }


def test_pictures_that_are_damaged_or_too_large_are_told() -> None:
    with pytest.raises(InvalidInput, match="damaged"):
        read_picture(png(Image.new("RGB", (64, 64)))[:70])
    with pytest.raises(LimitExceeded, match="million pixels"):
        read_picture(png(Image.new("1", (7000, 5000))))
    assert read_picture(png(Image.new("RGB", (4, 4)))).ext == ".png"


def png(picture: Image.Image) -> bytes:
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_an_export_never_takes_the_place_of_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="not a file"):
        write_export(tmp_path / "pipe", b"card")
    write_export(tmp_path / "new" / "card.json", b"card")
    assert (tmp_path / "new" / "card.json").read_bytes() == b"card"
