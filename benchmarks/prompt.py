"""Assembling the prompt of a chat of 2,000 messages, next to estimating the tokens of the same text.

`whole` takes the entire chat into the prompt: the ratio is what assembly costs on top of counting what it
sends. `8k` is the usual small context, where most of the chat is never looked at; its share is that of
reading all 2,000 messages from the library and counting their tokens. Macros in messages are rare in
practice, so both kinds of chat are measured: with none, and with two in every message.

    python benchmarks/prompt.py
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace

from lunalux_core.config.paths import Paths
from lunalux_core.database import Connection
from lunalux_core.dialogue.assembly import CardFields, HistoryMessage, Prompt, PromptMaterial, assemble
from lunalux_core.library import Library
from lunalux_core.library.characters import NewCharacter
from lunalux_core.library.conversations import append_message, create_conversation, load_path, new_message
from lunalux_core.llm.tokens import estimator
from lunalux_core.macros.expansion import MacroContext, Variables, expander
from lunalux_core.presets.builtin import load_builtin
from lunalux_core.presets.document import Preset

MESSAGES = 2_000
RUNS = 5
EVERYTHING = 10_000_000
ENGLISH = "She lifts the lamp and looks at him for a while before she answers. " * 6
CHINESE = "她提起灯，看了他一会儿才回答。风从码头那边吹过来，带着盐的味道。" * 6
MACROS = "{{char}} & {{user}}: "

EXPAND = expander(MacroContext(user="Bo", char="Mira"), Variables())
COUNT = estimator("gpt-4o").message


def best(run: Callable[[], object]) -> float:
    """Milliseconds of the fastest run."""
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return min(times) * 1e3


def chat(prefix: str) -> PromptMaterial:
    texts = (ENGLISH, CHINESE)
    history = tuple(
        HistoryMessage("user" if i % 2 else "assistant", f"{prefix}{texts[i // 2 % 2]} {i}", id=str(i))
        for i in range(MESSAGES)
    )
    card = CardFields("Mira", description="She keeps the lamps. " * 100, mes_example="<START>\nMira: Yes.")
    return PromptMaterial(card, user="Bo", history=history)


def reading(material: PromptMaterial) -> float:
    """Milliseconds to read the chat from a library on disk, without any assembling."""

    async def run(home: str) -> float:
        library = Library(Paths.find({"LUNALUX_HOME": home}))
        await library.characters.add(NewCharacter("c", "Mira", "{}", "h"))

        def fill(connection: Connection) -> str:
            place = create_conversation(connection, "c", "")
            message = None
            for one in material.history:
                message = new_message(place.id, message, one.role, "Mira", one.content)
                append_message(connection, message)
            return message.id if message else ""

        head = await library.database.write(fill)

        def read(connection: Connection) -> int:
            start, found = head, 0
            while start:
                page = load_path(connection, start, 200)
                found, start = found + len(page), page[0].parent_id
            return found

        times = []
        for _ in range(RUNS):
            begun = time.perf_counter()
            assert await library.database.read(read) == MESSAGES
            times.append(time.perf_counter() - begun)
        library.close()
        return min(times) * 1e3

    with tempfile.TemporaryDirectory() as home:
        return asyncio.run(run(home))


def measure(name: str, preset: Preset, material: PromptMaterial, disk: float) -> None:
    def run(budget: int) -> Prompt:
        return assemble(preset, replace(material, budget=budget), expand=EXPAND, count_tokens=COUNT)

    texts = [message.content for message in run(EVERYTHING).messages]
    counting = best(lambda: [COUNT(text) for text in texts])
    whole = best(lambda: run(EVERYTHING))
    small = best(lambda: run(8192))
    print(
        f"{preset.name:13} {name:7} reading {disk:5.1f} ms   counting {counting:4.1f} ms   "
        f"whole {whole:5.1f} ms = {whole / counting:4.1f} x   "
        f"8k {small:5.2f} ms = {small / (disk + counting):6.1%}"
    )


def main() -> None:
    disk = reading(chat(""))
    for key in ("default", "mirror_realm"):
        measure("plain", load_builtin(key), chat(""), disk)
        measure("macros", load_builtin(key), chat(MACROS), disk)


if __name__ == "__main__":
    main()
