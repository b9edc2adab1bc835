"""*Continue* on models that go on from a begun reply, and on those that must be told to."""

from __future__ import annotations

from typing import Any

import pytest
from llm_server import ModelServer, document, model_server
from test_books_in_turns import ada

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.runtime import Runtime

FIRST, MORE = "The rain", " has stopped."
PRESET = {
    "prompts": [{"identifier": "main", "content": "Write."}, {"identifier": "chatHistory", "marker": True}]
}
REFUSED = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "message": "This model does not support assistant message prefill. "
        "The conversation must end with a user message.",
    },
}


def whole(text: str) -> dict[str, Any]:
    return {"type": "message", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}


def last(server: ModelServer) -> tuple[str, str]:
    """Role and words of the last turn of the last request."""
    turn = server.seen[-1].body["messages"][-1]
    return turn["role"], turn["content"][-1]["text"]


async def said(runtime: Runtime, place: str) -> str:
    return (await runtime.library.conversations.page(place))[-1].content


@pytest.mark.parametrize("preset", [None, PRESET])
async def test_a_reply_is_gone_on_with_where_it_stopped(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, preset: dict[str, Any] | None
) -> None:
    """Once begun and taken without a nudge; refused once, it is told to go on from then on, and no call is
    wasted."""
    async with model_server(unknown=True) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        settings = load_settings(paths, {"LUNALUX_LANG": "en"}).with_value("chat.model", "anthropic:claude-x")
        async with Runtime.open(settings) as runtime:
            character = await ada(runtime)
            if preset is not None:
                await runtime.library.presets.add("p", preset)
            place = (await runtime.chat.start(character)).id
            server.will(document(whole(FIRST)))
            assert [event async for event in runtime.chat.send(place, "How is the weather?")]
            server.will(document(whole(MORE)))
            assert [event async for event in runtime.chat.continue_(place)]
            assert await said(runtime, place) == FIRST + MORE
            assert last(server) == ("assistant", FIRST)
            everything = str(server.seen[-1].body)
            assert everything.count(FIRST) == 1, "the reply is sent once, as the last message"
            calls = len(server.seen)
            server.will(document(REFUSED, 400), document(whole(" Go!")))
            assert [event async for event in runtime.chat.continue_(place)]
            assert last(server) == ("user", "Go on.") and len(server.seen) == calls + 2
            server.will(document(whole(" On.")))
            assert [event async for event in runtime.chat.continue_(place)]
            assert len(server.seen) == calls + 3
            assert last(server)[0] == "user" and "Go on." not in last(server)[1]
            assert await said(runtime, place) == f"{FIRST}{MORE} Go! On."
