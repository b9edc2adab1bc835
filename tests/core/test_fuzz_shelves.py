"""Readers of what programs, models and pages give: trackers, the data bank, Backyard, memories, profiles,
tags and addresses. Real inputs, damaged at random from a fixed seed, bring nothing but our own errors, and
what is read can be stored, read back and written."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from test_bank import epub, pdf
from test_byaf import CHARACTER, SCENARIOS, archive
from test_foreign_fuzz import mutated as changed
from test_fuzz_readers import mutated as damaged
from test_profiles import SETTINGS

from lunalux_core.bank.document_files import split_passages
from lunalux_core.bank.document_text import html_text, read_document
from lunalux_core.config.paths import Paths
from lunalux_core.database import Connection
from lunalux_core.errors import LunaluxError
from lunalux_core.importing import address as fetching
from lunalux_core.importing import gather, import_files
from lunalux_core.importing.address import fetch_file
from lunalux_core.importing.connection_profiles import connection_profiles
from lunalux_core.library import Library
from lunalux_core.library.characters import NewCharacter, insert_character
from lunalux_core.library.conversations import Message, append_message, create_conversation, new_message
from lunalux_core.library.memories import load_memories
from lunalux_core.library.profiles import put_profile
from lunalux_core.library.trackers import Tracker, add_tracker, load_tracker
from lunalux_core.memory.memories_in_chat_files import memories_for_file, store_from_file
from lunalux_core.memory.memory_books import (
    memory_book,
    memory_text,
    read_memory_book,
    read_memory_text,
    store_memories,
)
from lunalux_core.trackers.shape import departure, labels, read_shape
from lunalux_core.trackers.tracker_answers import read_value

INPUTS = 100_000
SECONDS = 240
"""A reader that is slow by its nature is tried for so long."""
WORK_SECONDS = 20
"""No small input may keep a reader busy for longer."""
HIDDEN = "FILE_NOT_UNDERSTOOD"
"""What an import says of an error that nobody foresaw."""


class World:
    """A library with a character and a conversation of six messages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = Paths.find({"LUNALUX_HOME": str(folder / "home")})
        self.library = Library(self.paths)
        self.library.database.write_now(self._fill)

    def _fill(self, connection: Connection) -> None:
        insert_character(connection, NewCharacter("ada", "Ada", "{}", "ada"))
        self.chat = create_conversation(connection, "ada", "Night").id
        self.ids: list[str] = []
        message: Message | None = None
        for number in range(6):
            role = "user" if number % 2 else "assistant"
            message = new_message(self.chat, message, role, "Ada", f"Words {number}.")
            append_message(connection, message)
            self.ids.append(message.id)

    def trial(self, work: Callable[[Connection], Any]) -> None:
        """Store something, of which nothing stays."""
        self.library.database.try_now(work)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.library.close()


SCHEMA = {
    "type": "object",
    "properties": {
        "place": {"type": "string", "minLength": 1, "enum": ["quay", "loft"]},
        "gold": {"type": "integer", "minimum": 0, "maximum": 99},
        "bag": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "mood": {"anyOf": [{"type": "string"}, {"type": "null"}, {"const": 3}]},
    },
    "required": ["place", "gold"],
    "additionalProperties": False,
}
ANSWER = {"value": {"place": "quay", "gold": 3, "bag": ["rope"], "mood": None}}
BOOK = {
    "entries": {
        "0": {
            "uid": 0, "key": ["lamp"], "comment": "Night", "content": "They met.", "stmemorybooks": True,
            "STMB_start": 0, "STMB_end": 2,
        },
        "1": {
            "uid": 1, "key": [], "content": "They parted.", "constant": True,
            "lunalux": {
                "id": "m1", "kind": "summary", "title": "T", "coverage": [["a", "b"]], "speaker": "Ada",
                "pinned": True, "state": "edited", "sources": [{"sentence": "s", "messages": ["a"]}],
                "parts": ["m0"], "made_by": "m", "instruction": "i", "created_at": 1_700_000_000_000,
            },
        },
    }
}  # fmt: skip
OWN = [
    {
        "kind": "summary", "title": "T", "text": "They met.", "keywords": ["lamp"], "covers": [0, 1],
        "sound": True, "speaker": "Ada", "pinned": False, "state": "fresh", "reason": "",
        "sources": [{"sentence": "s", "messages": [0]}], "parts": [], "made_by": "m", "created_at": 17,
    },
    {"kind": "fact", "text": "Gold.", "covers": [4], "parts": [0]},
]  # fmt: skip
MARKDOWN = "# Night\n\n## First\n\n*summary · messages 0-2 · keywords: a, b · pinned*\n\nThey met.\n".encode()
TAGS = {
    "tags": [{"id": "1", "name": "Sea", "folder_type": "OPEN", "sort_order": 1, "color": "#fff"}],
    "tag_map": {"Ada.png": ["1"], "Ada": ["1"]},
    "power_user": {"personas": {"a.png": "Bo"}},
    "extension_settings": {},
}
PAGE = (
    "<html><head><title>T</title></head><body><p>The <b>lamp</b> &amp; <!-- no -->it.</p><![CDATA[x]]></body>"
)


def _trackers(here: World, dice: random.Random) -> None:
    shape = json.dumps(changed(SCHEMA, dice) if dice.random() < 0.7 else SCHEMA)
    form, shape = read_shape(
        shape if dice.random() < 0.8 else damaged(shape.encode(), dice).decode("latin-1")
    )
    tracker = Tracker("", here.chat, "Place", "Where they are.", form, shape)
    answer = json.dumps(changed(ANSWER, dice))
    answer = answer if dice.random() < 0.7 else damaged(answer.encode(), dice).decode("utf-8", "replace")
    value = read_value(answer, tracker, "They stand on the quay with a rope and 3 gold.")
    departure(answer, form, shape)
    labels(answer)

    def stored(connection: Connection) -> None:
        kept = add_tracker(connection, tracker, value if isinstance(value, str) else "")
        assert load_tracker(connection, kept.id).shape == shape

    here.trial(stored)


def _bank(here: World, dice: random.Random) -> None:
    kind = dice.choice(tuple(DOCUMENTS))
    path = here.folder / f"x.{kind}"
    path.write_bytes(damaged(DOCUMENTS[kind](here.folder), dice))
    _, text, _ = read_document(path)
    text.encode()
    assert all(size > 0 for _, size in split_passages(text))


def _made(name: str, make: Callable[[Path], Path]) -> Callable[[Path], bytes]:
    held: list[bytes] = []

    def content(folder: Path) -> bytes:
        if not held:
            held.append(make(folder / name).read_bytes())
        return held[0]

    return content


DOCUMENTS: dict[str, Callable[[Path], bytes]] = {
    "txt": lambda _: "The lamp.\n\n灯塔。\r\n".encode(),
    "md": lambda _: "# A\n\nThe lamp.".encode("utf-16"),
    "html": lambda _: PAGE.encode(),
    "pdf": _made("made.pdf", lambda path: pdf(path, "The lamp.")),
    "epub": _made("made.epub", lambda path: epub(path, {"a": "The lamp.", "b": "And so."}, ["b", "a"])),
}


def _backyard(here: World, dice: random.Random) -> None:
    whole = changed({"character": CHARACTER, "scenarios": SCENARIOS}, dice)
    data = archive(whole.get("character"), whole.get("scenarios"))
    _imported(here, "x.byaf", damaged(data, dice) if dice.random() < 0.3 else data)


def _tags(here: World, dice: random.Random) -> None:
    data = json.dumps(changed(TAGS, dice)).encode()
    _imported(here, "settings.json", damaged(data, dice) if dice.random() < 0.3 else data)


RESPONSES = (
    b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 4\r\n"
    b"Content-Disposition: attachment; filename*=UTF-8''a%20b.png\r\n\r\nabcd",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://[::1]:99999/%zz\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: //\xe4\xb8\xad\x00.example/../x\r\n\r\n",
)


@contextmanager
def _answering(content: bytes) -> Iterator[str]:
    """The address of a server that says this to whoever comes first, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WORK_SECONDS)

        def answer() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(content)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/a/card.png"
        with suppress(OSError):  # where nobody came
            socket.create_connection(server.getsockname(), 1).close()
        thread.join()


def _addresses(here: World, dice: random.Random) -> None:
    # A damaged redirect may name any host: nothing but the one server is ever asked.
    content = damaged(dice.choice(RESPONSES), dice)
    if b"location" in content.lower():
        found = content.lower().partition(b"location:")[2].partition(b"\r\n")[0].strip().decode("latin-1")
        fetching._next(urlsplit("http://127.0.0.1/a"), found, "http://127.0.0.1/a")
        return
    with _answering(content) as at:
        path = fetch_file(at, here.folder, allow_private=True)
    assert path.parent == here.folder
    path.unlink()


def _imported(here: World, name: str, data: bytes) -> None:
    path = here.folder / name
    path.write_bytes(data)
    for result in import_files(here.library, here.paths, gather([path]), jobs=1):
        assert result.error is None or (result.error.code != HIDDEN and result.error.message), result.error


def _memories(here: World, dice: random.Random) -> None:
    match dice.randrange(3):
        case 0:
            document = changed(BOOK, dice)
            here.trial(lambda c: _kept(here, c, read_memory_book(document, "x", here.chat)[0]))
        case 1:
            text = damaged(MARKDOWN, dice).decode("utf-8", "replace")
            here.trial(lambda c: _kept(here, c, read_memory_text(text, here.chat)))
        case _:
            entries = changed(OWN, dice)
            here.trial(lambda c: (store_from_file(c, here.chat, entries, here.ids), _written(here, c)))


def _kept(here: World, connection: Connection, records: Any) -> None:
    store_memories(connection, here.chat, records)
    _written(here, connection)


def _written(here: World, connection: Connection) -> None:
    """What was stored can be written and read again."""
    document = json.loads(json.dumps(memory_book(connection, here.chat)))
    again, _ = read_memory_book(document, "x", here.chat)
    assert len(again) <= len(load_memories(connection, here.chat))
    memory_text(connection, here.chat).encode()
    place = {identity: number for number, identity in enumerate(here.ids)}
    json.dumps(memories_for_file(connection, here.chat, place), ensure_ascii=False).encode()


def _profiles(here: World, dice: random.Random) -> None:
    found = connection_profiles(changed(SETTINGS, dice))

    def stored(connection: Connection) -> None:
        for one in found:
            put_profile(connection, one.profile)

    here.trial(stored)


READERS: dict[str, Callable[[World, random.Random], None]] = {
    "trackers": _trackers,
    "bank": _bank,
    "backyard": _backyard,
    "tags": _tags,
    "memories": _memories,
    "profiles": _profiles,
    "addresses": _addresses,
}


def hunt(here: World, reader: str, seeds: range, seconds: float) -> None:
    until = time.monotonic() + seconds
    for seed in seeds:
        began = time.monotonic()
        if began > until:
            return
        try:
            READERS[reader](here, random.Random(f"{reader} {seed}"))
        except LunaluxError as error:
            assert error.code and error.message
        except Exception as error:
            raise AssertionError(f"{reader}, seed {seed}: {type(error).__name__}: {error}") from error
        assert time.monotonic() - began < WORK_SECONDS, f"{reader}, seed {seed} takes too long"


@pytest.mark.parametrize("reader", READERS)
def test_some_damaged_inputs(here: World, reader: str) -> None:
    hunt(here, reader, range(60), SECONDS)


@pytest.mark.parametrize("page", ["<!--", "<a ", "<a b='", "<![", "<?", "</", "<svg></p>", "&#", "<!"])
def test_a_page_that_is_made_to_be_slow_ends_in_time(page: str) -> None:
    began = time.monotonic()
    with suppress(TimeoutError):
        html_text(page * 200_000, began + 1)
    assert time.monotonic() - began < WORK_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_a_hundred_thousand_damaged_inputs(here: World, reader: str) -> None:
    hunt(here, reader, range(INPUTS), SECONDS)
