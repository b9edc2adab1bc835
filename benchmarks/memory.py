"""How much of a long story is in the prompt when it is asked for, and what memories cost.

    python benchmarks/memory.py                 # 2,000 messages in English and in Chinese, 200 facts in each
    python benchmarks/memory.py --messages 400 --facts 40 --plot docs/pictures/memory.svg

A generated story has facts planted in it: names, promises, places, changes of mind, contradictions that were
resolved. The writer is a server of this script that gives back what a good summariser would: the planted
sentences of its scene, and on request something useless. For every fact a question that names its subject is
asked at the end, and looked for in the exact prompt of a window of 8,192 tokens: with memories and keywords
alone, with the newest messages alone, and with these and one rolling summary of 200 words, which keeps the
newest of what it was told, as a good summariser has to.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from lunalux_core.config.config_file import save_model
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import SavedModel, load_settings
from lunalux_core.database import Connection
from lunalux_core.dialogue.assembly import Prompt
from lunalux_core.ids import short_id
from lunalux_core.library.characters import NewCharacter
from lunalux_core.library.conversations import Message, insert_message, new_message, select_message
from lunalux_core.library.memories import Memory, add_memory
from lunalux_core.runtime import Runtime

WINDOW = 8192
ROLLING_WORDS = 200
WATCHED_TURNS = 100

PEOPLE = (
    "Aldric",
    "Brenna",
    "Corvin",
    "Delia",
    "Edmund",
    "Fiora",
    "Gareth",
    "Helga",
    "Ingram",
    "Jorun",
    "Kester",
)
THINGS = ("lantern", "kettle", "compass", "violin", "ledger", "mirror", "saddle", "goblet", "anchor", "quill")
PLACES = ("mill", "chapel", "harbour", "orchard", "quarry", "cellar", "tower", "bridge", "market", "ferry")
人 = ["阿岚", "白鹭", "陈舟", "杜若", "方砚", "顾雪", "何青", "江篱", "柯木", "林渡", "孟棠", "宁川"]
物 = ["铜灯", "陶壶", "罗盘", "旧琴", "账册", "镜匣", "马鞍", "玉杯", "沙漏", "铁锚", "织毯", "竹笛"]
地 = ["磨坊", "祠堂", "码头", "果园", "石场", "地窖", "钟楼", "断桥", "集市", "染坊", "渡口", "粮仓"]


@dataclass(frozen=True)
class Fact:
    """A planted fact: the sentence that tells it, what a question names, and what it must find."""

    sentence: str
    subject: str
    answer: str
    kind: str


@dataclass
class Story:
    """Messages (role, name, text), and at which of them each fact is last told."""

    language: str
    messages: list[tuple[str, str, str]] = field(default_factory=list)
    facts: list[tuple[int, Fact]] = field(default_factory=list)
    sentences: dict[str, Fact] = field(default_factory=dict)

    def question(self, fact: Fact) -> str:
        return (
            f"What was it about {fact.subject}?"
            if self.language == "en"
            else f"关于{fact.subject}，当时是怎么说的？"
        )


def planted(language: str, number: int, chance: random.Random) -> list[Fact]:
    """One fact as it is told; changes of mind and contradictions are told twice; the last word counts."""
    one = number + 100
    if language == "en":
        who, thing, place = chance.choice(PEOPLE), chance.choice(THINGS), chance.choice(PLACES)
        subject = f"{thing}{one}"
        told = {
            "name": [f"The stranger with the {subject} was called {who} of House{one}."],
            "promise": [f"{who} promised to bring the {subject} to the {place} on night{one}."],
            "place": [f"The {subject} was hidden under the {place} of ward{one}."],
            "change": [
                f"{who} wanted to sell the {subject} for price{one}a.",
                f"{who} thought better of it and kept the {subject} for reason{one}.",
            ],
            "resolved": [
                f"{who} said the {subject} was lost at gate{one}a.",
                f"It turned out that the {subject} had never been lost and stood in room{one}.",
            ],
        }
    else:
        who, thing, place = chance.choice(人), chance.choice(物), chance.choice(地)
        subject = f"{one}号{thing}"
        told = {
            "name": [f"带着{subject}的陌生人名叫{who}，来自第{one}户。"],
            "promise": [f"{who}答应在第{one}夜把{subject}送到{place}。"],
            "place": [f"{subject}藏在{place}的第{one}块石板下。"],
            "change": [
                f"{who}想把{subject}以{one}两银子卖掉。",
                f"{who}改了主意，因为第{one}个理由留下了{subject}。",
            ],
            "resolved": [
                f"{who}说{subject}丢在了第{one}道门外。",
                f"后来才知道{subject}没有丢，一直在第{one}间屋里。",
            ],
        }
    kind = list(told)[number % len(told)]
    sentences = told[kind]
    answer = sentences[-1]
    return [Fact(sentence, subject, answer, kind) for sentence in sentences]


FILLER = {
    "en": (
        "They talked for a while about the weather and the long road behind them. The fire burned low, and "
        "somebody laughed at an old joke that nobody else remembered. A cup was filled and emptied again. "
    ),
    "zh": (
        "他们聊起天气和走过的长路。火渐渐低了，有人为一个旧笑话笑了起来，别人都不记得了。杯子斟满，又空了。"
    ),
}


def generate(language: str, messages: int, facts: int, seed: int = 7) -> Story:
    """A story of so many messages; the last twentieth of it holds no facts."""
    chance = random.Random(seed)
    story = Story(language)
    told: dict[int, list[Fact]] = {}
    span = int(messages * 0.95)
    for number in range(facts):
        places = sorted(chance.sample(range(span), 2))
        parts = planted(language, number, chance)
        for place, part in zip(places[-len(parts) :], parts, strict=True):
            told.setdefault(place, []).append(part)
        story.facts.append((places[-1], parts[-1]))
    names = {"en": ("Anna", "Keeper"), "zh": ("安娜", "守灯人")}[language]
    for number in range(messages):
        parts = told.get(number, [])
        story.sentences |= {part.sentence: part for part in parts}
        text = FILLER[language] * 2 + " ".join(part.sentence for part in parts)
        story.messages.append((("user", "assistant")[number % 2], names[number % 2], text))
    return story


class Writer:
    """The extraction model: a server that finds the planted sentences of a request, good or bad."""

    def __init__(self) -> None:
        self.story = Story("en")
        self.bad = ""
        self.port = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        text = self.bad or self.answer(body["messages"][-1]["content"])
        message = {"role": "assistant", "content": text}
        return web.json_response({"choices": [{"message": message, "finish_reason": "stop"}]})

    def answer(self, asked: str) -> str:
        quoted = asked.partition("<story>")[2].rpartition("</story>")[0].strip()
        parts = re.split(r"(?:\A|\n\n)\[(\d+)\] ", quoted)
        told, keywords, facts = [], [], []
        for number, text in zip(parts[1::2], parts[2::2], strict=True):
            for sentence, fact in self.story.sentences.items():
                if sentence in text:
                    told.append(f"{sentence} [{number}]")
                    keywords.append(fact.subject)
                    facts.append({"text": sentence, "keywords": [fact.subject], "message": int(number)})
        if not told:
            told = [
                "They talked about the weather."
                if self.story.language == "en"
                else "他们聊起天气和走过的长路。"
            ]
        return json.dumps(
            {"title": "Scene" if self.story.language == "en" else "一幕", "summary": " ".join(told),
             "keywords": keywords[:12], "facts": facts},
            ensure_ascii=False,
        )  # fmt: skip


@asynccontextmanager
async def world() -> AsyncIterator[tuple[Runtime, Writer]]:
    writer = Writer()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/chat/completions", writer.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    with tempfile.TemporaryDirectory() as home:
        os.environ["LUNALUX_HOME"] = home
        config = SavedModel("own", "openai", "m", f"http://127.0.0.1:{port}/v1", context_tokens=WINDOW)
        save_model(Paths.find().config_file, config)
        settings = load_settings().with_value("chat.model", "own").with_value("chat.context_tokens", WINDOW)
        async with Runtime.open(settings) as runtime:
            await runtime.first_start()
            yield runtime, writer
    await runner.cleanup()


async def empty_chat(runtime: Runtime) -> str:
    """A conversation with a character that has nothing but a name and a description."""
    card = {
        "spec": "chara_card_v2",
        "spec_version": "2.0",
        "data": {"name": "Keeper", "description": "Keeps a light."},
    }
    new = NewCharacter(short_id(), "Keeper", json.dumps(card), short_id())
    character = await runtime.library.characters.add(new)
    return (await runtime.library.conversations.create(character)).id


async def append(
    runtime: Runtime, chat: str, above: Message | None, told: Sequence[tuple[str, str, str]]
) -> Message:
    def write(connection: Connection) -> Message:
        last = above
        for role, name, text in told:
            last = new_message(chat, last, role, name, text)  # type: ignore[arg-type]
            insert_message(connection, last)
        assert last is not None
        select_message(connection, last.id)
        return last

    return await runtime.library.database.write(write)


def words_of(prompt: Prompt) -> str:
    return "\n".join(one.content for one in prompt.messages)


def stable_part(prompt: Prompt) -> list[tuple[str, int]]:
    """What stands above the history: the part that a provider's cache is to find again."""
    part = []
    for one in prompt.messages:
        if one.slot.startswith(("chatHistory", "memoryRecalled", "newMainChat")):
            break
        part.append((one.content, one.tokens))
    return part


def changed_tokens(before: Prompt, after: Prompt) -> int:
    old, new = stable_part(before), stable_part(after)
    same = next(
        (at for at, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]),
        min(len(old), len(new)),
    )
    return sum(tokens for _, tokens in new[same:])


def rolling_summary(story: Story, end: int) -> str:
    """What 200 words hold of all that was told up to a message: the newest sentences."""
    kept: list[str] = []
    size = 0
    for _, _, text in reversed(story.messages[:end]):
        for sentence in story.sentences:
            if sentence in text:
                length = len(sentence.split()) if story.language == "en" else len(sentence)
                if size + length > ROLLING_WORDS:
                    return " ".join(kept)
                kept.append(sentence)
                size += length
    return " ".join(kept)


async def measure(runtime: Runtime, writer: Writer, story: Story) -> dict[str, Any]:
    """Grow the story with memories written as they fall due, then ask for every fact."""
    writer.story, writer.bad = story, ""
    await runtime.library.presets.add(f"bench-{story.language}", PRESET)
    runtime.apply(runtime.settings.with_value("chat.preset", f"bench-{story.language}"))
    chat = await empty_chat(runtime)
    last: Message | None = None
    watched = max(len(story.messages) - 2 * WATCHED_TURNS, 0)
    changed: list[int] = []
    before: Prompt | None = None
    added = 0
    at = 0
    while at < len(story.messages):
        step = 20 if at < watched else 2
        last = await append(runtime, chat, last, story.messages[at : at + step])
        at += step
        done = await runtime.memory_writer.write(chat)
        assert not done.failed, done.error
        added += bool(done.memories) and at > watched
        if at > watched:
            prompt = await runtime.chat.previews.prompt(chat, "Go on.")
            if before is not None and not done.memories:
                changed.append(changed_tokens(before, prompt))
            before = prompt
    memories = await runtime.library.memories.list(chat)
    pinned = await pin_some(runtime, story, memories)
    found = {"memories": 0, "truncation": 0, "rolling": 0}
    by_kind: dict[str, list[int]] = {}
    rolling = rolling_summary(story, len(story.messages))
    plain = words_of(await truncated(runtime, chat))
    for _, fact in story.facts:
        sent = words_of(await runtime.chat.previews.prompt(chat, story.question(fact)))
        here = fact.answer in sent
        found["memories"] += here
        by_kind.setdefault(fact.kind, []).append(here)
        found["truncation"] += fact.answer in plain
        found["rolling"] += fact.answer in plain or fact.answer in rolling
    total = len(story.facts)
    prompt = await runtime.chat.previews.prompt(chat, "Go on.")
    in_all = sum(fact in words_of(prompt) for fact in pinned)
    leaks = await other_branch(runtime, chat, story)
    return {
        "language": story.language,
        "messages": len(story.messages),
        "facts": total,
        "memories": len(memories),
        "found": {name: round(100 * count / total, 1) for name, count in found.items()},
        "by_kind": {kind: round(100 * sum(ones) / len(ones), 1) for kind, ones in sorted(by_kind.items())},
        "pinned": f"{in_all} of {len(pinned)}",
        "leaks": leaks,
        "prefix_tokens_changed": max(changed, default=0),
        "turns_watched": len(changed),
        "turns_with_new_memory": added,
        "prompt_tokens": prompt.report.total,
    }


async def pin_some(runtime: Runtime, story: Story, memories: Sequence[Memory]) -> list[str]:
    """Pin ten facts from all over the story, as a person would."""
    facts = [
        one for one in memories if one.kind == "fact" and any(one.text == f.answer for _, f in story.facts)
    ]
    chosen = facts[:: max(len(facts) // 10, 1)][:10]
    for one in chosen:
        await runtime.library.memories.edit(one.id, pinned=True)
    return [one.text for one in chosen]


async def truncated(runtime: Runtime, chat: str) -> Prompt:
    """The prompt with the newest messages alone."""
    settings = runtime.settings
    runtime.apply(settings.with_value("memory.share", 0))
    prompt = await runtime.chat.previews.prompt(chat, "Go on.")
    runtime.apply(settings)
    return prompt


async def other_branch(runtime: Runtime, chat: str, story: Story) -> int:
    """Go back to the middle and say something else there: memories from behind it that reach the prompt."""
    path = await runtime.library.conversations.page(chat, limit=100_000)
    await runtime.chat.edits.edit_as_branch(path[len(path) // 2].id, FILLER[story.language])
    here = {one.id for one in await runtime.library.conversations.page(chat, limit=100_000)}
    by_id = {one.id: one for one in await runtime.library.memories.list(chat)}
    leaks = 0
    for _, fact in story.facts[::4]:
        record = await runtime.chat.previews.record(chat, story.question(fact))
        used = [by_id[one["id"]] for one in record["memory"]["used"]]
        leaks += sum(bool(one.last) and one.last not in here for one in used)
    return leaks


BAD: dict[str, str] = {
    "nothing": " ",
    "rubbish": "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt",
    "half JSON": '{"title": "A scene", "summa',
    "another language": json.dumps(
        {"summary": "Они долго говорили о погоде и о дороге, а потом легли спать."}
    ),
    "ten times too long": json.dumps({"summary": "They talked about the weather and the road. " * 300}),
    "somebody else": json.dumps(
        {"summary": "They talked for a while and then Zebulon arrived. Zebulon was angry."}
    ),
}


async def bad_writers(runtime: Runtime, writer: Writer) -> dict[str, int]:
    """What bad writers get stored as done; the goal is nothing."""
    stored = {}
    for name, text in BAD.items():
        story = generate("en", 120, 10)
        chat = await empty_chat(runtime)
        await append(runtime, chat, None, story.messages)
        writer.story, writer.bad = story, text
        await runtime.memory_writer.write(chat)
        stored[name] = sum(one.state != "failed" for one in await runtime.library.memories.list(chat))
    writer.bad = ""
    return stored


async def turn_cost(runtime: Runtime, count: int, rounds: int) -> dict[str, float]:
    """Milliseconds of a turn for its prompt: without memories and with many of them, measured in turns."""
    story = generate("en", 2000, 0)
    plain, full = await empty_chat(runtime), await empty_chat(runtime)
    for chat in (plain, full):
        await append(runtime, chat, None, story.messages)
    path = [one.id for one in await runtime.library.conversations.page(full, limit=100_000)]

    def fill(connection: Connection) -> None:
        for number in range(count):
            kind = "fact" if number % 2 else "journal"
            text = f"Memory {number}: the lantern{number} hung at the harbour for a long night."
            words = (f"lantern{number}", f"灯笼{number}号")
            one = Memory("", full, kind, text, keywords=words, speaker="" if number % 2 else "Nobody")
            add_memory(connection, one, [(path[number % 1900], "")])
        connection.execute("UPDATE memories SET sound = 1, checked = 1 WHERE conversation_id = ?", (full,))

    await runtime.library.database.write(fill)

    async def took(chat: str, number: int) -> float:
        begun = time.perf_counter()
        await runtime.chat.previews.prompt(chat, f"And lantern{number * 7}?")
        return (time.perf_counter() - begun) * 1000

    first = await took(full, 0)
    await took(plain, 0)
    pairs = [(await took(plain, number), await took(full, number)) for number in range(rounds)]
    gain = statistics.median(many - none for none, many in pairs)
    without, with_many = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {
        "memories": count,
        "without_ms": without,
        "with_ms": with_many,
        "gain_ms": gain,
        "first_ms": first,
    }


def preset() -> dict[str, Any]:
    order = [
        "main",
        "worldInfoBefore",
        "charDescription",
        "charPersonality",
        "scenario",
        "personaDescription",
    ]
    order += ["worldInfoAfter", "dialogueExamples", "chatHistory", "jailbreak"]
    prompts = [
        {"identifier": one, "name": one, "role": "system", "content": "Write the next reply of {{char}}."}
        if one == "main"
        else {"identifier": one, "name": one, "marker": one != "jailbreak", "content": ""}
        for one in order
    ]
    listed = [{"identifier": one, "enabled": True} for one in order]
    return {"prompts": prompts, "prompt_order": [{"character_id": 100001, "order": listed}]}


PRESET = preset()

BARS = (("memories", "#7c6cf0"), ("rolling", "#c9a227"), ("truncation", "#8a8f98"))
LABELS = {
    "memories": "memories, keywords alone",
    "rolling": "rolling summary",
    "truncation": "newest messages alone",
}


def plot(results: Sequence[dict[str, Any]]) -> str:
    """Bars: how many of the facts that are asked for are in the prompt."""
    rows, y = [], 60
    for result in results:
        name = {"en": "English", "zh": "Chinese"}[result["language"]]
        rows.append(f'<text x="20" y="{y + 14}" font-weight="bold">{name}</text>')
        y += 24
        for key, colour in BARS:
            share = result["found"][key]
            rows.append(f'<text x="20" y="{y + 13}">{LABELS[key]}</text>')
            rows.append(
                f'<rect x="220" y="{y}" width="{share * 3.6:.0f}" height="18" rx="2" fill="{colour}"/>'
            )
            rows.append(f'<text x="{228 + share * 3.6:.0f}" y="{y + 13}">{share:g} %</text>')
            y += 26
        y += 12
    head = f"{results[0]['facts']} facts in {results[0]['messages']:,} messages, window {WINDOW:,} tokens"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="660" height="{y}" font-family="sans-serif" '
        f'font-size="13" fill="#555"><title>Facts that are in the prompt when they are asked for</title>'
        f'<rect width="660" height="{y}" fill="#ffffff"/>'
        f'<text x="20" y="28" font-size="15" fill="#222">Facts that are in the prompt when asked for</text>'
        f'<text x="20" y="46">{head}</text>{"".join(rows)}</svg>\n'
    )


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--facts", type=int, default=200)
    parser.add_argument("--many", type=int, default=10_000, help="memories for the cost of a turn")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--plot", type=Path, help="where to draw the result (.svg)")
    given = parser.parse_args()
    results = []
    async with world() as (runtime, writer):
        for language in ("en", "zh"):
            results.append(await measure(runtime, writer, generate(language, given.messages, given.facts)))
            print(json.dumps(results[-1], ensure_ascii=False, indent=1), flush=True)
        print(json.dumps({"stored_of_bad_writers": await bad_writers(runtime, writer)}, indent=1), flush=True)
        cost = await turn_cost(runtime, given.many, given.rounds)
        print(json.dumps({"turn": {name: round(value, 1) for name, value in cost.items()}}, indent=1))
    if given.plot:
        given.plot.write_text(plot(results), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
