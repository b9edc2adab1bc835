"""A library with one character and one saved model on a fake server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lunalux_core.config.config_file import save_model
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import SavedModel, load_settings
from lunalux_core.dialogue.turn import TurnCompleted, TurnEvent
from lunalux_core.importing import import_data
from lunalux_core.library.conversations import Conversation, append_message, load_conversation, new_message
from lunalux_core.runtime import Runtime

CARD: dict[str, Any] = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "data": {"name": "Alice", "description": "Alice keeps a lighthouse.", "first_mes": "You came."},
}
PRESET = {"prompts": [{"identifier": "main", "role": "system", "content": "Play {{char}}."}]}


@asynccontextmanager
async def opened(
    paths: Paths,
    url: str,
    provider: str,
    model: str = "m",
    *,
    flags: dict[str, Any] | None = None,
    description: str = "Alice keeps a lighthouse.",
    **config: Any,
) -> AsyncIterator[tuple[Runtime, Conversation]]:
    """Open a library whose model `local` is on that server."""
    save_model(paths.config_file, SavedModel("local", provider, model, url, **config))  # type: ignore[arg-type]
    settings = load_settings(
        paths,
        {"LUNALUX_LANG": "en"},
        flags={"chat.model": "local", "chat.user_name": "Bob", **(flags or {})},
    )
    async with Runtime.open(settings) as runtime:
        card = {**CARD, "data": {**CARD["data"], "description": description}}
        done = await import_data(runtime.library, paths, json.dumps(card).encode(), "alice.json")
        yield runtime, await runtime.chat.start(done.id)


async def fill(runtime: Runtime, place: Conversation, turns: int, words: int = 40) -> None:
    """Store a long conversation, each message of so many words of its own."""

    def work(connection: Any) -> None:
        from lunalux_core.library.conversations import load_message

        head = load_conversation(connection, place.id).head_id
        above = load_message(connection, head) if head else None
        for number in range(turns):
            role = "user" if number % 2 == 0 else "assistant"
            text = " ".join(f"w{number}x{place}" for place in range(words))
            message = new_message(place.id, above, role, "Bob" if role == "user" else "Alice", text)
            append_message(connection, message)
            above = load_message(connection, message.id)

    await runtime.library.database.write(work)


async def say(runtime: Runtime, place: Conversation, text: str = "I brought oil.") -> list[TurnEvent]:
    return [event async for event in runtime.chat.send(place.id, text)]


def completed(events: list[TurnEvent]) -> TurnCompleted:
    assert isinstance(events[-1], TurnCompleted)
    return events[-1]
