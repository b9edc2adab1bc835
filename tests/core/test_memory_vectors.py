"""Vectors: memories called by closeness, kept in the library, made anew, never required."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from test_memory_prompts import remember, runtime, story

from lunalux_core.library.bank_documents import Document
from lunalux_core.library.memories import Memory
from lunalux_core.memory.vector_ranking import address_of, vectors_in
from lunalux_core.runtime import Runtime

__all__ = ["runtime"]

TOPICS = ("sea ship harbour sail", "bread oven flour baker", "king crown throne court")


class Server:
    """Makes vectors: how often words of each topic stand in a text."""

    def __init__(self) -> None:
        self.more, self.asked, self.broken = 0, 0, ""
        self.refuses, self.longest = "", 10**9

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked += len(body["input"])
        if self.broken:
            return web.Response(text=self.broken, content_type="application/json")
        if any(len(text) > self.longest or (self.refuses and self.refuses in text) for text in body["input"]):
            return web.Response(status=500, text="input is too large to process")
        rows = [
            [0.01 + sum(text.count(word) for word in topic.split()) for topic in TOPICS] + [0.0] * self.more
            for text in body["input"]
        ]
        if request.path.endswith("embed"):
            return web.json_response({"embeddings": rows})
        data = [{"index": place, "embedding": row} for place, row in enumerate(rows)]
        return web.json_response({"data": data[::-1]})


@asynccontextmanager
async def serving(runtime: Runtime, path: str = "/v1/embeddings") -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_post(path, server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}{path.removesuffix('/embeddings')}"
    runtime.apply(runtime.settings.with_value("vectors.server", url).with_value("vectors.model", "e"))
    try:
        yield server
    finally:
        await runner.cleanup()


async def fill(runtime: Runtime) -> str:
    chat, path = await story(runtime, 2)
    for title, text in (
        ("Voyage", "The ship left the harbour under sail."),
        ("Bakery", "The baker lit the oven."),
    ):
        await remember(runtime, Memory("", chat, "journal", text, title, speaker="Nobody"))
        await remember(runtime, Memory("", chat, "summary", text, title), path[1], path[2])
    return chat


async def ranked(runtime: Runtime, chat: str, text: str) -> list[str]:
    """Titles of the summaries as the vectors order them."""
    from lunalux_core.memory.memory_reader import MemoryReader

    ids = {one.id for one in await runtime.library.conversations.page(chat, limit=100)}
    found = await runtime.library.database.read(lambda c: MemoryReader().read(c, chat, ids))
    assert found is not None
    titles = {one.id: one.title for one in found.usable() if one.kind == "summary"}
    return [titles[one] for one in await runtime.vectors.rank(found, [text]) if one in titles]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/api/embed"])
async def test_memories_are_made_vectors_once_and_called_by_closeness(runtime: Runtime, path: str) -> None:
    async with serving(runtime, path) as server:
        chat = await fill(runtime)
        assert await ranked(runtime, chat, "flour and bread") == [], "the first time they are only being made"
        await runtime.vectors.settled()
        assert await ranked(runtime, chat, "flour and bread") == ["Bakery"]
        assert await ranked(runtime, chat, "out to the sea") == ["Voyage"]
        assert server.asked == 2 + 2, "two questions, and each text once"
        server.more = 2
        assert await ranked(runtime, chat, "bread and flour") == []
        await runtime.vectors.settled()
        assert await ranked(runtime, chat, "bread and flour") == ["Bakery"], "another length: made anew"
        lengths = await runtime.library.database.read(
            lambda c: [
                tuple(row) for row in c.execute("SELECT length, count(*) FROM vectors GROUP BY length")
            ]
        )
        assert lengths == [(5, 2)]
        prompt = await runtime.chat.previews.prompt(chat, "And now?")
        assert prompt.messages


async def test_a_text_that_the_server_refuses_keeps_no_other_from_its_vector(runtime: Runtime) -> None:
    async with serving(runtime) as server:
        chat = await fill(runtime)
        await remember(runtime, Memory("", chat, "fact", "poison " * 300, "Poison"))
        await remember(runtime, Memory("", chat, "fact", "king " * 1000, "Crown"))
        server.refuses, server.longest = "poison", 2000
        await ranked(runtime, chat, "bread")
        await runtime.vectors.settled()
        stored = "SELECT count(*) FROM vectors"
        assert await runtime.library.database.read(lambda c: c.execute(stored).fetchone()[0]) == 3
        assert await ranked(runtime, chat, "flour and bread") == ["Bakery"]
        before = server.asked
        await ranked(runtime, chat, "out to the sea")
        await runtime.vectors.settled()
        assert server.asked == before + 1, "and it is not asked about again and again"


async def test_passages_are_called_by_closeness_too(runtime: Runtime) -> None:
    async with serving(runtime) as server:
        chat, _ = await story(runtime, 1)
        texts = [f"Page {number} of nothing in particular. " * 5 for number in range(500)]
        texts[123] = "The oven was cold, for the baker had left."
        document = Document("", "town.txt", "txt", "h", chat)
        stored = await runtime.library.documents.add(document, [(text, 60) for text in texts])

        async def passages(text: str) -> list[Any]:
            bank = (await runtime.chat.previews.record(chat, text))["bank"]
            return [(row["place"], row["by"]) for row in bank["used"]] if bank else []

        assert await passages("Is there bread and flour?") == []
        await runtime.vectors.settled()
        assert server.asked > 500
        assert (123, ["vectors"]) in await passages("Is there bread and flour?")
        assert (123, ["baker", "vectors"]) in await passages("The baker and the flour!")
        asked = server.asked
        assert await passages("Some bread, some flour?") and server.asked == asked + 1, "each text once"
        server.more = 1
        assert await passages("Today, bread, flour, bread!") == [], "by words alone until they are made anew"
        await runtime.vectors.settled()
        assert (123, ["vectors"]) in await passages("Today, bread, flour, bread!")
        await runtime.library.documents.delete(stored.id)
        left = "SELECT count(*) FROM vectors"
        assert await runtime.library.database.read(lambda c: c.execute(left).fetchone()[0]) == 0
        assert await passages("Today, bread, flour, bread!") == []


async def test_entries_of_worldbooks_marked_vectorized_are_called_by_closeness(runtime: Runtime) -> None:
    async with serving(runtime) as server:
        chat, _ = await story(runtime, 1)
        rows: dict[str, tuple[str, dict[str, bool]]] = {
            "Oven": ("The oven is sacred.", {"vectorized": True}),
            "Ship": ("The ship has a red sail.", {"vectorized": True}),
            "Plain": ("The baker is called Orla.", {}),
            "Off": ("Bread is money.", {"vectorized": True, "disable": True}),
        }
        entries = {
            str(uid): {"uid": uid, "key": ["zzz"], "comment": name, "content": text, **more}
            for uid, (name, (text, more)) in enumerate(rows.items())
        }
        await runtime.library.worldbooks.add("Town", {"entries": entries}, enabled=True)

        async def fired(text: str) -> str:
            return "\n".join(one.content for one in (await runtime.chat.previews.prompt(chat, text)).messages)

        await fired("bread and flour")
        await runtime.vectors.settled()
        sent = await fired("bread and flour")
        assert "The oven is sacred." in sent and "red sail" not in sent
        assert "Orla" not in sent and "money" not in sent
        assert "red sail" in await fired("zzz, out to the sea"), "a key calls it all the same"
        server.broken = "[]"
        assert "sacred" not in await fired("flour, only flour") and "sacred" in await fired("zzz")


@pytest.mark.parametrize(
    "answer",
    ['{"data": [{"embedding": ["x"]}]}', f'{{"embeddings": [[1{"0" * 400}, 1]]}}', "[" * 100_000],
)
async def test_a_server_that_is_away_or_answers_nonsense_keeps_nobody_waiting(
    runtime: Runtime, answer: str
) -> None:
    async with serving(runtime) as server:
        chat = await fill(runtime)
        server.broken = answer
        assert await ranked(runtime, chat, "bread") == []
        assert await ranked(runtime, chat, "bread") == [] and server.asked == 1, "left alone for a while"
    assert (await runtime.chat.previews.prompt(chat, "And now?")).messages


def test_addresses_and_answers() -> None:
    assert address_of("http://h:11434/") == "http://h:11434/api/embed"
    assert address_of("http://h:8080") == "http://h:8080/v1/embeddings"
    assert address_of("https://h/v1/") == "https://h/v1/embeddings"
    bad: list[Any] = [
        None,
        {},
        {"data": [{"embedding": []}]},
        {"embeddings": [[1.0, float("nan")]]},
        {"embeddings": [[0]]},
        {"embeddings": [[10**400, 1]]},
        {"embeddings": [[10**200, 1e300]]},
        {"embeddings": [[None, 1]]},
    ]
    assert all(vectors_in(one, 1) == [] for one in bad)
    assert vectors_in({"embeddings": [[1.0], [1.0, 2.0]]}, 2) == []


@contextmanager
def llama_running(*wanted: str) -> Iterator[str]:
    """The address of a real server that chats and makes vectors."""
    server, model = os.environ.get("LUNALUX_LLAMA_SERVER", ""), os.environ.get("LUNALUX_LLAMA_MODEL", "")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [server, "-m", model, "--host", "127.0.0.1", "--port", str(port), "-c", "4096"]
    command += ["-np", "1", *wanted]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(Path(server).resolve().parent)}
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        running.kill()
        running.wait(10)


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    if not os.environ.get("LUNALUX_LLAMA_SERVER") or not os.environ.get("LUNALUX_LLAMA_MODEL"):
        pytest.skip("LUNALUX_LLAMA_SERVER and LUNALUX_LLAMA_MODEL name no server and model")
    with llama_running("--embeddings", "--pooling", "mean") as url:
        yield url


async def test_a_real_llama_server_makes_vectors(runtime: Runtime, llama: str) -> None:
    runtime.apply(runtime.settings.with_value("vectors.server", llama))
    chat = await fill(runtime)
    await ranked(runtime, chat, "The baker lit the oven.")
    await runtime.vectors.settled()
    stored = await runtime.library.database.read(
        lambda c: c.execute("SELECT count(*) FROM vectors").fetchone()[0]
    )
    assert stored == 2
    assert (await ranked(runtime, chat, "Bakery\nThe baker lit the oven."))[0] == "Bakery"
