"""Pictures that go with messages: cleaned, kept once, sent to models that take them, named to the others."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import openai.types.chat
import pytest
from PIL import Image
from pydantic import TypeAdapter
from servers.fake import Fake, Route, running
from servers.fake_llamacpp import LlamaCpp
from servers.server_world import completed, opened

from lunalux_core.cards.card_pictures import LONGEST_KEPT, clean_picture
from lunalux_core.chat.conversation_files import export_conversation, import_conversation
from lunalux_core.config.paths import Paths
from lunalux_core.dialogue.turn import PicturesNamed, TurnEvent, TurnOptions
from lunalux_core.documents.picture_refs import Attachment
from lunalux_core.errors import InvalidInput, LimitExceeded
from lunalux_core.library.conversations import Conversation
from lunalux_core.library.message_pictures import attachment, attachment_of
from lunalux_core.llm.model import Message, ModelRequest, ModelSpec
from lunalux_core.llm.model_registry import Registry
from lunalux_core.llm.servers.images import shown_body
from lunalux_core.runtime import Runtime


def picture(colour: str = "red", size: tuple[int, int] = (40, 30), kind: str = "PNG", **more: Any) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, colour).save(out, kind, **more)
    return out.getvalue()


ORDER = [{"identifier": name, "enabled": True} for name in ("main", "chatHistory")]
PRESET = {
    "prompts": [
        {"identifier": "main", "role": "system", "content": "Play {{char}}."},
        {"identifier": "chatHistory", "marker": True},
    ],
    "prompt_order": [{"character_id": 100001, "order": ORDER}],
}
RED = attachment(picture(), "red.png")


@dataclass
class Blind(LlamaCpp):
    """One whose model takes no pictures; it says so when it is asked, and refuses them."""

    tells: bool = True

    def routes(self) -> dict[str, Route]:
        routes = super().routes()
        props = routes["GET /props"]
        if not self.tells:
            return {}
        return {**routes, "GET /props": lambda body: {**props(body), "modalities": {"vision": False}}}

    def refusal(self, prompt: int, body: Any) -> tuple[int, Any] | None:
        parts = [one["content"] for one in body["messages"] if isinstance(one["content"], list)]
        if any(part["type"] == "image_url" for content in parts for part in content):
            message = "image input is not supported - hint: you may need to provide the mmproj"
            return 500, {"error": {"code": 500, "message": message, "type": "server_error"}}
        return super().refusal(prompt, body)


@asynccontextmanager
async def chat_with(
    paths: Paths, fake: Fake, provider: str = "llamacpp", *, preset: str = "", **config: Any
) -> AsyncIterator[tuple[Runtime, Conversation]]:
    async with running(fake), opened(paths, fake.url, provider, **config) as (runtime, place):
        await runtime.models.look(runtime.models.named("local"))
        yield runtime, place


async def show(
    runtime: Runtime, place: Conversation, text: str, *pictures: Attachment, **more: Any
) -> list[TurnEvent]:
    options = TurnOptions(pictures=pictures, **more)
    return [event async for event in runtime.chat.send(place.id, text, options)]


def images(body: Any) -> list[str]:
    """The pictures of a chat, as they were sent."""
    contents = [one["content"] for one in body["messages"] if isinstance(one["content"], list)]
    return [part["image_url"]["url"] for parts in contents for part in parts if part["type"] == "image_url"]


def words(body: Any) -> str:
    texts = []
    for one in body["messages"]:
        parts = one["content"] if isinstance(one["content"], list) else [{"text": one["content"]}]
        texts += [part.get("text", "") for part in parts]
    return "\n".join(texts)


RED_URI = f"data:image/png;base64,{base64.b64encode(RED.data).decode()}"


# -- a turn ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["", "sillytavern"])
async def test_a_picture_goes_to_a_model_that_takes_it_and_stays(paths: Paths, preset: str) -> None:
    fake = LlamaCpp()
    async with chat_with(paths, fake) as (runtime, place):
        if preset:
            await runtime.library.presets.add("mine", PRESET, enabled=True)
        reply = completed(await show(runtime, place, "What is this?", RED)).message
        assert images(fake.chats[0]) == [RED_URI] and "What is this?" in words(fake.chats[0])
        TypeAdapter(list[openai.types.chat.ChatCompletionMessageParam]).validate_python(
            fake.chats[0]["messages"]
        )
        assert reply is not None
        said = await runtime.library.conversations.message(reply.parent_id)
        assert [shown.name for shown in said.pictures] == ["red.png"] and said.content == "What is this?"
        # Again, further on, and beside it: the picture is there each time.
        async for _ in runtime.chat.regenerate(reply.id):
            pass
        async for _ in runtime.chat.continue_(place.id):
            pass
        await show(runtime, place, "And now?")
        assert [images(body) for body in fake.chats[1:]] == [[RED_URI]] * 3
        branch = await runtime.chat.edits.edit_as_branch(said.id, "What was this?")
        async for _ in runtime.chat.answer(place.id):
            pass
        assert images(fake.chats[-1]) == [RED_URI] and "What was this?" in words(fake.chats[-1])
        assert (await runtime.library.conversations.message(branch)).pictures == said.pictures


async def test_a_message_may_be_a_picture_alone(paths: Paths) -> None:
    fake = LlamaCpp()
    async with chat_with(paths, fake) as (runtime, place):
        reply = completed(await show(runtime, place, "", RED)).message
        assert reply is not None and images(fake.chats[0]) == [RED_URI]
        said = await runtime.library.conversations.message(reply.parent_id)
        assert said.content == "" and said.pictures
        with pytest.raises(InvalidInput):
            await show(runtime, place, "")


async def test_a_model_that_takes_none_is_told_the_name(paths: Paths) -> None:
    fake = Blind()
    async with chat_with(paths, fake) as (runtime, place):
        events = await show(runtime, place, "What is this?", RED)
        assert [e for e in events if isinstance(e, PicturesNamed)] == [PicturesNamed(("red.png",), "local")]
        assert "What is this?\n[picture: red.png]" in words(fake.chats[0]) and not images(fake.chats[0])
        later = await show(runtime, place, "And now?")
        assert not any(isinstance(event, PicturesNamed) for event in later)


async def test_a_refusal_teaches_that_a_model_takes_none(paths: Paths) -> None:
    fake = Blind(tells=False)
    async with chat_with(paths, fake, "openai") as (runtime, place):
        events = await show(runtime, place, "What is this?", RED)
        assert completed(events).text and len(fake.chats) == 2
        assert images(fake.chats[0]) and "[picture: red.png]" in words(fake.chats[1])
        assert any(isinstance(event, PicturesNamed) for event in events)
        await show(runtime, place, "And this?", attachment(picture("blue"), "blue.png"))
        assert len(fake.chats) == 3 and "[picture: blue.png]" in words(fake.chats[2])
        learnt = runtime.models.learnt(runtime.models.named("local"))
        assert learnt is not None and learnt.as_json() == {"images": False}


async def test_the_person_knows_better_than_the_server(paths: Paths) -> None:
    from lunalux_core.llm.model import ModelOptions

    fake = LlamaCpp()
    async with chat_with(paths, fake, options=ModelOptions(images="no")) as (runtime, place):
        await show(runtime, place, "What is this?", RED)
        assert not images(fake.chats[0]) and "[picture: red.png]" in words(fake.chats[0])
        assert not runtime.models.takes_pictures(runtime.models.named("practice"))


async def test_pictures_count_in_the_budget(paths: Paths) -> None:
    large = attachment(picture("green", (1500, 1500)), "large.png")
    assert large.ref.tokens == 3000
    async with chat_with(paths, LlamaCpp(window=8192)) as (runtime, place):
        plain = await runtime.chat.previews.prompt(place.id, "What is this?")
        shown = await runtime.chat.previews.prompt(place.id, "What is this?", TurnOptions(pictures=(large,)))
    assert shown.report.total - plain.report.total >= 3000


# -- the wire --------------------------------------------------------------------------------------------


def call(provider: str) -> dict[str, Any]:
    spec = ModelSpec("m", provider, "m", "http://127.0.0.1:9/v1")  # type: ignore[arg-type]
    asked = (
        Message("system", "Play Alice."),
        Message("user", "This.", pictures=(RED,)),
        Message("user", "", pictures=(RED,)),
    )
    return dict(Registry().call_of(spec, ModelRequest(asked)).body)


def test_anthropic_gets_blocks_that_its_own_types_take() -> None:
    import anthropic.types  # takes seconds, which each process that collects the tests would wait for

    body = call("anthropic")
    (turn,) = TypeAdapter(list[anthropic.types.MessageParam]).validate_python(body["messages"])
    kinds = [part["type"] for part in body["messages"][0]["content"]]
    assert kinds == ["image", "text", "image"] and turn["role"] == "user"
    source = body["messages"][0]["content"][0]["source"]
    assert source["media_type"] == "image/png" and base64.b64decode(source["data"]) == RED.data


def test_gemini_and_ollama_get_them_in_their_own_form() -> None:
    parts = call("gemini")["contents"][0]["parts"]
    assert [next(iter(part)) for part in parts] == ["inlineData", "text", "inlineData"]
    assert base64.b64decode(parts[0]["inlineData"]["data"]) == RED.data
    said = call("ollama")["messages"][1]
    assert said["content"] == "This." and base64.b64decode(said["images"][0]) == RED.data


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama"])
def test_what_is_shown_of_a_request_holds_no_bytes(provider: str) -> None:
    large = attachment(picture(size=(64, 64)), "large.png")
    noisy = replace(large, data=large.data + b"\0" * 9000)
    spec = ModelSpec("m", provider, "m", "http://127.0.0.1:9/v1")  # type: ignore[arg-type]
    body = Registry().call_of(spec, ModelRequest((Message("user", "This.", pictures=(noisy,)),))).body
    text = json.dumps(shown_body(body), ensure_ascii=False)
    assert "AAAAAAAA" not in text and "This." in text
    assert ("data:image/png;base64,… (9 KB)" if provider == "openai" else "… (9 KB)") in text


# -- files -----------------------------------------------------------------------------------------------


def test_what_is_not_the_picture_is_taken_off() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera of Bob"
    exif[0x0112] = 6  # lies on its side
    clean = clean_picture(picture(size=(40, 30), kind="JPEG", exif=exif, comment=b"at home"))
    assert b"Bob" not in clean.data and b"at home" not in clean.data
    assert (clean.type, clean.width, clean.height) == ("image/jpeg", 30, 40)
    assert clean_picture(clean.data) == clean
    png = picture()
    text = b"tEXtchara\0secret"
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    assert clean_picture(png[:-12] + chunk + png[-12:]).data.find(b"secret") == -1
    assert clean_picture(png + b"behind the end").data.find(b"behind") == -1
    assert clean_picture(png).data == png


@pytest.mark.parametrize("kind", ["GIF", "BMP", "WEBP", "PNG", "JPEG"])
def test_the_bytes_say_what_it_is(kind: str, tmp_path: Path) -> None:
    clean = clean_picture(picture(kind=kind))
    with Image.open(BytesIO(clean.data)) as shown:
        assert Image.MIME[shown.format or ""] == clean.type and shown.size == (40, 30)
    assert clean_picture(clean.data) == clean


def test_large_pictures_are_scaled_down() -> None:
    clean = clean_picture(picture(size=(3000, 1500)))
    assert (clean.width, clean.height) == (LONGEST_KEPT, LONGEST_KEPT // 2)


def bomb(width: int, height: int) -> bytes:
    """A PNG of that size by its header, with next to no pixels in it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_a_hundred_megapixels_are_refused_by_the_header() -> None:
    for width, height in ((10_000, 10_000), (2_000_000, 50), (60_000, 60_000)):
        with pytest.raises(LimitExceeded) as error:
            clean_picture(bomb(width, height))
        assert error.value.code == "PICTURE_TOO_LARGE"
    with pytest.raises(InvalidInput) as broken:
        clean_picture(bomb(100, 100))
    assert broken.value.code == "PICTURE_BROKEN"


async def test_files_that_are_no_pictures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("no picture")
    with pytest.raises(InvalidInput) as unknown:
        await attachment_of(tmp_path / "words.png")
    assert unknown.value.code == "PICTURE_UNKNOWN"
    (tmp_path / "photo.txt").write_bytes(picture(kind="JPEG"))
    attached = await attachment_of(tmp_path / "photo.txt")
    assert attached.ref.type == "image/jpeg" and attached.ref.name == "photo.txt"
    assert attached.ref.hash == hashlib.sha256(attached.data).hexdigest()


# -- the library -----------------------------------------------------------------------------------------


async def stored(runtime: Runtime) -> int:
    return int(
        await runtime.library.database.read(
            lambda c: c.execute("SELECT count(*) FROM pictures").fetchone()[0]
        )
    )


async def test_a_picture_is_kept_once_and_goes_with_its_last_message(paths: Paths) -> None:
    async with chat_with(paths, LlamaCpp()) as (runtime, place):
        other = await runtime.chat.start(place.character_id)
        for chat in (place, place, other):
            await show(runtime, chat, "Look.", attachment(picture(), "again.png"))
        assert await stored(runtime) == 1
        await runtime.library.conversations.delete(place.id)
        assert await stored(runtime) == 1
        (said,) = [m for m in await runtime.library.conversations.page(other.id) if m.pictures]
        await runtime.chat.edits.delete(said.id)
        assert await runtime.chat.edits.undo(other.id) is not None
        assert await runtime.library.pictures.data(said.pictures[0].hash) == RED.data
        gone = await runtime.library.trash.delete([place.character_id])
        assert await stored(runtime) == 0
        await runtime.library.trash.restore(gone)
        assert await runtime.library.pictures.data(said.pictures[0].hash) == RED.data
        await runtime.library.conversations.delete(other.id)
        assert await stored(runtime) == 0


async def test_pictures_wait_beside_the_draft(paths: Paths) -> None:
    blue = attachment(picture("blue"), "blue.png")
    async with chat_with(paths, LlamaCpp()) as (runtime, place):
        shelf = runtime.library.pictures
        await shelf.attach(place.id, RED)
        assert [ref.name for ref in await shelf.attach(place.id, blue)] == ["red.png", "blue.png"]
        assert [ref.name for ref in await shelf.detach(place.id)] == ["red.png"]
        assert await stored(runtime) == 1
        (ref,) = await shelf.draft(place.id)
        await show(runtime, place, "Look.", Attachment(ref))
        assert not await shelf.draft(place.id) and await stored(runtime) == 1


@pytest.mark.parametrize("ending", ["json", "jsonl"])
async def test_export_and_import_keep_pictures(paths: Paths, ending: Any) -> None:
    async with chat_with(paths, LlamaCpp()) as (runtime, place):
        await show(runtime, place, "Look.", RED)
        text = await export_conversation(runtime.library, place.id, ending)
        await runtime.library.conversations.delete(place.id)
        assert await stored(runtime) == 0
        done = await import_conversation(runtime.library, place.character_id, text.encode(), f"x.{ending}")
        (said,) = [m for m in await runtime.library.conversations.page(done.conversation_id) if m.pictures]
        assert (said.pictures, said.content) == ((RED.ref,), "Look.")
        assert await runtime.library.pictures.data(RED.ref.hash) == RED.data
        assert "base64" not in json.dumps(said.extra)
        again = await export_conversation(runtime.library, done.conversation_id, ending)
        assert again.count(RED_URI) == 1
        assert text.count(RED_URI) == 1


async def test_sillytavern_chats_bring_their_pictures(paths: Paths, tmp_path: Path) -> None:
    data = tmp_path / "default-user"
    (data / "chats" / "Alice").mkdir(parents=True)
    (data / "user" / "images" / "Alice").mkdir(parents=True)
    (data / "user" / "images" / "Alice" / "a b.png").write_bytes(picture())
    (tmp_path / "secret.png").write_bytes(picture("blue"))
    uri = f"data:image/png;base64,{base64.b64encode(picture('green')).decode()}"
    lines: list[dict[str, Any]] = [
        {"user_name": "Bob", "character_name": "Alice", "chat_metadata": {}},
        {"name": "Bob", "is_user": True, "mes": "old", "extra": {"image": "user/images/Alice/a b.png"}},
        {
            "name": "Bob",
            "is_user": True,
            "mes": "new",
            "extra": {
                "media": [{"url": uri, "type": "image", "title": "green"}, {"url": "x.mp4", "type": "video"}]
            },
        },
        {"name": "Bob", "is_user": True, "mes": "bad", "extra": {"image": "user/images/../../../secret.png"}},
    ]
    path = data / "chats" / "Alice" / "chat.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    async with chat_with(paths, LlamaCpp()) as (runtime, place):
        done = await import_conversation(
            runtime.library, place.character_id, path.read_bytes(), path.name, path=path
        )
        page = await runtime.library.conversations.page(done.conversation_id)
        assert [[ref.name for ref in m.pictures] for m in page] == [["a b.png"], ["green"], []]
        again = await export_conversation(runtime.library, done.conversation_id, "jsonl")
    _, old, new, bad = map(json.loads, again.splitlines())
    assert old["extra"]["media"][0]["url"].startswith("data:image/png;base64,")
    assert [one["type"] for one in new["extra"]["media"]] == ["image", "video"]
    assert bad["extra"]["image"] == "user/images/../../../secret.png"
