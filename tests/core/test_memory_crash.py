"""Writing that is killed at any moment leaves no half memory and loses none."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lunalux_core.config.config_file import save_model, set_value
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import SavedModel, load_settings
from lunalux_core.library.conversations import Message, insert_message, new_message, select_message
from lunalux_core.library.memories import Memory
from lunalux_core.runtime import Runtime

ROUNDS = 100
MESSAGES = 1600


@pytest.fixture
def server() -> Iterator[int]:
    """A writer that tells the first words of every message, and one fact."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            story = body["messages"][-1]["content"]
            told = re.findall(r"\[(\d+)\] \w+: ([^.]*)", story)
            text = " ".join(f"{words}. [{number}]" for number, words in told[:6])
            facts = [{"text": f"{told[0][1]}.", "message": 1}]
            answer = json.dumps({"title": "Scene", "summary": text, "keywords": ["lamp"], "facts": facts})
            choice = {"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
            sent = json.dumps({"choices": [choice]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *arguments: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running.server_port
    running.shutdown()
    running.server_close()


async def prepared(port: int) -> str:
    paths = Paths.find()
    save_model(paths.config_file, SavedModel("own", "openai", "m", f"http://127.0.0.1:{port}/v1"))
    values = {"chat.model": "own", "memory.scene_tokens": 150, "memory.protected_tokens": 300}
    for key, value in (values | {"memory.chapter_scenes": 0}).items():
        set_value(paths.config_file, key, value)
    async with Runtime.open(load_settings()) as runtime:
        await runtime.first_start()
        character = (await runtime.library.characters.list())[0]
        chat = await runtime.library.conversations.create(character.id)

        def fill(connection: Any) -> None:
            above: Message | None = None
            for number in range(MESSAGES):
                text = f"The lamp at the harbour burns in night {number} as it did before. And more of it."
                role = "assistant" if number % 2 else "user"
                above = new_message(chat.id, above, role, "Anna", text)  # type: ignore[arg-type]
                insert_message(connection, above)
            assert above is not None
            select_message(connection, above.id)

        await runtime.library.database.write(fill)
        return chat.id


async def seen(chat: str) -> tuple[list[Memory], list[list[str]], list[str]]:
    async with Runtime.open(load_settings()) as runtime:
        assert await runtime.library.database.soundness() == "ok"
        memories, _ = await runtime.library.memories.shown(chat)
        covered = [list(await runtime.library.memories.covered(one.id)) for one in memories]
        path = [one.id for one in await runtime.library.conversations.page(chat, limit=10_000)]
        return list(memories), covered, path


def check(memories: list[Memory], covered: list[list[str]], path: list[str]) -> set[str]:
    """Every summary whole, with the fact of its scene, one after the other; the ids of all."""
    summaries = [(one, ids) for one, ids in zip(memories, covered, strict=True) if one.kind == "summary"]
    facts = {one.last for one in memories if one.kind == "fact"}
    told = [message for _, ids in summaries for message in ids]
    assert told == path[: len(told)], "in order, without a gap, nothing twice"
    for one, ids in summaries:
        assert (
            one.state == "fresh" and one.text and one.sources and (one.first, one.last) == (ids[0], ids[-1])
        )
        assert ids[0] in facts
    assert len(memories) == 2 * len(summaries)
    return {one.id for one in memories}


@pytest.mark.slow
async def test_a_hundred_kills_leave_no_half_memory_and_lose_none(server: int, tmp_path: Path) -> None:
    chat = await prepared(server)
    chance = random.Random(13)
    script = Path(__file__).with_name("memory_doomed.py")
    before: set[str] = set()
    rounds_with_news = 0
    for number in range(ROUNDS):
        running = subprocess.Popen(
            [sys.executable, str(script), chat], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        await asyncio.sleep(chance.uniform(0.3, 1.5))
        running.kill()
        running.wait(20)
        if number % 10 == 9 or number < 5:
            now = check(*await seen(chat))
            assert before <= now, "what was there stays"
            rounds_with_news += now > before
            before = now
    assert rounds_with_news > 2
    until = time.monotonic() + 300
    subprocess.run([sys.executable, str(script), chat], check=True, timeout=300, env=os.environ)
    assert time.monotonic() < until
    memories, covered, path = await seen(chat)
    assert before <= check(memories, covered, path)
    assert len({message for ids in covered for message in ids}) > MESSAGES * 0.9
