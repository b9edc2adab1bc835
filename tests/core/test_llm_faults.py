"""Every fault of the measuring bench's model server, as a person would meet it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from llm_server import Heard, listen, pool

from lunalux_core.llm.model import ModelSpec
from lunalux_core.llm.servers.openai import OpenAIModel


class Bench:
    """The running server, and how many calls each model name received."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def calls(self, model: str) -> list[dict[str, object]]:
        with urllib.request.urlopen(f"{self.url}/_stats") as answer:
            return [entry for entry in json.load(answer) if entry["model"] == model]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    script = Path(__file__).resolve().parents[2] / ".." / "shared" / "bench" / "fake_llm.py"
    if not script.is_file():
        pytest.skip("the bench's model server is not beside the repository")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(script), "--port", str(port), "--live", "300"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None and process.stdout.readline()
        yield Bench(port)
    finally:
        process.terminate()
        process.wait()


async def hear(bench: Bench, name: str, **waits: float) -> Heard:
    connections = pool(**waits)
    try:
        return await listen(OpenAIModel(ModelSpec("bench", "openai", name, bench.url), "k", connections))
    finally:
        await connections.aclose()


@pytest.mark.parametrize(
    "name",
    [
        "fake-n200-r0",
        "fake-n200-r0-cjk",
        "fake-n200-r0-cjk-utf8split",
        "fake-n200-r0-sse",
        "fake-n200-r0-badjson",
        "fake-n200-r0-noend",
        "fake-n200-r0-longline",
        "fake-n200-r0-ansi",
        "fake-n200-r0-500once",
    ],
)
async def test_whole_replies(bench: Bench, name: str) -> None:
    heard = await hear(bench, name)
    assert heard.code == ""
    assert heard.text.startswith("STARTMARK") and "ENDMARK" in heard.text[-12:]
    assert heard.last.finish == ("cut" if "noend" in name else "stop")
    assert heard.last.usage is not None
    if "noend" not in name:
        assert (heard.last.usage.completion_tokens, heard.last.usage.estimated) == (200, False)
    assert len(bench.calls(name)) == (2 if "once" in name else 1)


async def test_four_megabytes(bench: Bench) -> None:
    heard = await hear(bench, "fake-big")
    assert heard.code == "" and len(heard.text) > 4_000_000


async def test_the_servers_wish_to_wait_is_respected(bench: Bench) -> None:
    begun = time.monotonic()
    heard = await hear(bench, "fake-n20-r0-429once")
    assert heard.code == "" and heard.text
    assert time.monotonic() - begun >= 2
    assert len(bench.calls("fake-n20-r0-429once")) == 2


@pytest.mark.parametrize(
    ("name", "code", "calls"),
    [
        ("fake-n20-r0-429", "MODEL_RATE_LIMITED", 3),
        ("fake-n20-r0-500", "MODEL_SERVER_ERROR", 3),
        ("fake-n20-r0-401", "MODEL_KEY_REJECTED", 1),
        ("fake-n20-r0-html", "MODEL_BAD_ANSWER", 1),
        ("fake-n20-r0-empty", "MODEL_EMPTY_REPLY", 1),
        ("fake-n20-r0-slow3", "MODEL_TIMEOUT", 1),
    ],
)
async def test_no_reply_at_all(bench: Bench, name: str, code: str, calls: int) -> None:
    heard = await hear(bench, name, first_token=1)
    assert (heard.code, heard.text) == (code, "")
    assert heard.error is not None and heard.error.hint
    assert len(bench.calls(name)) == calls


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("fake-n200-r0-cut", "MODEL_STREAM_CUT"),
        ("fake-n200-r0-stall2", "MODEL_TIMEOUT"),
        ("fake-n200-r0-errevent", "MODEL_SERVER_ERROR"),
    ],
)
async def test_half_a_reply_is_delivered_before_the_error(bench: Bench, name: str, code: str) -> None:
    heard = await hear(bench, name, between_tokens=0.5)
    assert heard.code == code
    assert heard.text.startswith("STARTMARK") and len(heard.text) > 300
    assert "ENDMARK" not in heard.text
    assert len(bench.calls(name)) == 1


async def test_the_bench_lists_models_and_passes_the_test(bench: Bench) -> None:
    connections = pool()
    one = OpenAIModel(ModelSpec("bench", "openai", "fake-n9-r0", bench.url), "", connections)
    assert "fake-n400-r50" in await one.models()
    assert (await one.test()).sample.startswith("STARTMARK")
    await connections.aclose()
