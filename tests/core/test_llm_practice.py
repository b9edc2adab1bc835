"""The practice model: offline, the same every time, and worth reading."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_server import Heard, listen

from lunalux_core.llm.model import CharacterMaterial, Message, ModelRequest
from lunalux_core.llm.practice.phrases import Phrases, phrases_in
from lunalux_core.llm.practice.practice_material import pieces_of, said_in, size, with_names
from lunalux_core.llm.practice.practice_model import PRACTICE, PracticeModel, practice_rate

MIRA = CharacterMaterial(
    name="Mira, keeper of the lamps",
    user="Ada",
    description=(
        "Name: Mira\nAge: 61\n{{char}} keeps the lamps of Saltmere burning through every storm. "
        "She has a map of the drowned quarter in her coat. You must never speak for {{user}}. [OOC: rules]"
    ),
    personality="patient, dry, fearless",
    scenario="The last ferry to Saltmere has left, and the tide is coming in.",
    greeting='*She lifts the lantern.* "You took your time getting here, did you not?"',
    examples='<START>\n{{user}}: Is it far?\n{{char}}: "Everything is far when the tide is against you."',
)
LIN = CharacterMaterial(
    name="林月",
    user="阿澄",
    description="林月是青石镇的守夜人，每晚提着一盏旧灯笼走过三条街。她记得镇上每一个人的名字。",
    personality="温和、固执、记性极好",
    scenario="深秋的雨夜，桥头的茶馆还亮着灯。",
    greeting="*她把灯笼挂在门边。* “你也睡不着吗？坐吧，茶还是热的。”",
)


def request(*said: str, character: CharacterMaterial | None = MIRA, **rest: object) -> ModelRequest:
    greeting = (Message("assistant", character.greeting),) if character and character.greeting else ()
    turns = tuple(Message("user" if i % 2 == 0 else "assistant", text) for i, text in enumerate(said))
    return ModelRequest((Message("system", "Rules."), *greeting, *turns), character=character, **rest)  # type: ignore[arg-type]


async def hear(one: ModelRequest) -> Heard:
    return await listen(PracticeModel(rate=0), one)


def visible(heard: Heard) -> str:
    return heard.text.split("<next_prompts>")[0].strip()


def tag(heard: Heard, name: str) -> str:
    found = re.findall(rf"<{name}>\n(.*?)\n</{name}>", heard.text, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


async def test_answers_in_the_characters_voice() -> None:
    heard = await hear(request("I lost my sister's compass in the river."))
    text = visible(heard)
    assert "I lost my sister's compass in the river" in text
    assert "Mira" in text and "keeper of the lamps" not in text
    assert re.search(r"\*[^*]+\*", text) and re.search(r'"[^"]+"', text)
    pieces = pieces_of(with_names(MIRA))
    quoted = (*pieces.about, *pieces.place, *pieces.spoken, *pieces.traits)
    assert sum(piece in text for piece in quoted) >= 3
    assert not re.search(r"\{\{|OOC|Age|never speak|<START>", heard.text)


async def test_gives_suggestions_events_thinking_and_usage() -> None:
    heard = await hear(request("Where are we going?"))
    suggestions = tag(heard, "next_prompts").split("\n")
    assert len(suggestions) == len(set(suggestions)) == 3
    assert all(line.startswith("- ") and size(line) <= 15 for line in suggestions)
    event = tag(heard, "events")
    assert event.count(" —> ") == 2 and "\n" not in event
    assert "no AI is at work" in heard.thinking and "a question" in heard.thinking
    assert heard.last.finish == "stop"
    assert heard.last.usage is not None and heard.last.usage.estimated
    assert heard.last.usage.prompt_tokens > 0 and heard.last.usage.completion_tokens > 60


async def test_chinese_by_setting_or_by_being_spoken_to_in_it() -> None:
    by_setting = await hear(request("hello", character=LIN, language="zh"))
    spoken_to = await hear(request("这座桥有什么故事？", character=LIN))
    for heard in (by_setting, spoken_to):
        assert "林月" in visible(heard) and "阿澄" in heard.text
        assert not re.search(r"\b(the|and|you)\b", heard.text)
        assert "练习模型" in heard.thinking
    assert "这座桥有什么故事" in visible(spoken_to)


async def test_the_same_request_gives_the_same_reply_in_any_process() -> None:
    one = request("Tell me about the drowned quarter.")
    assert (await hear(one)).text == (await hear(one)).text
    program = (
        "import asyncio, sys; sys.path[:0] = sys.argv[1:]\n"
        "import test_llm_practice as t\n"
        "heard = asyncio.run(t.hear(t.request('Tell me about the drowned quarter.')))\n"
        "sys.stdout.buffer.write(heard.text.encode())"
    )
    folder = str(Path(__file__).parent)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, folder, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.decode() == (await hear(one)).text


async def test_everything_it_depends_on_changes_it() -> None:
    one = request("Tell me about the tide.")
    replies = {
        (await hear(other)).text
        for other in (
            one,
            request("Tell me about the tide!!", "x", "And the ferry?"),
            replace(one, character=replace(MIRA, name="Orla")),
            replace(one, language="zh"),
            *(replace(one, extra={"attempt": number}) for number in range(1, 6)),
        )
    }
    assert len(replies) >= 6


async def test_a_conversation_does_not_go_in_circles() -> None:
    said: list[str] = []
    openings = []
    for number in range(4):
        said.append(f"I found lamp number {number}.")
        text = visible(await hear(request(*said)))
        said.append(text)
        openings.append(text.split("\n")[0])
    assert len(set(openings)) == 4


async def test_continue_goes_on_without_taking_up_what_was_said() -> None:
    heard = await hear(request("I like the lamps.", '*She nods.* "So do I."', extra={"type": "continue"}))
    assert "I like the lamps" not in visible(heard)
    assert tag(heard, "next_prompts") and size(visible(heard)) >= 60


async def test_impersonate_speaks_for_the_person() -> None:
    heard = await hear(
        request("Hm.", '*She nods.* "I would trust you with the map."', extra={"type": "impersonate"})
    )
    assert "<" not in heard.text
    assert re.search(r"\*I ", heard.text) and "Mira" in heard.text
    assert 15 <= size(heard.text) <= 80


@pytest.mark.parametrize(
    ("words", "kind", "echo"),
    [
        ("Hello there!", "hello", "Hello there"),
        ("Thank you so much.", "thanks", "Thank you so much"),
        ("Good night, Mira", "bye", "Good night, Mira"),
        ("I see. Where is the ferry? Odd.", "question", "Where is the ferry"),
        ("*nods* Fine.", "statement", "Fine"),
        ("*opens the door slowly*", "action", "opens the door slowly"),
        ("", "silence", ""),
        ("这是真的吗", "question", "这是真的吗"),
        ("<userInput>\nHello\n</userInput> <memory>m</memory>", "hello", "Hello"),
    ],
)
def test_understands_the_kind_of_what_was_said(words: str, kind: str, echo: str) -> None:
    said = said_in([Message("user", words), Message("system", "x")])
    assert (said.kind, said.echo) == (kind, echo)


async def test_a_caller_without_a_card_is_served_from_the_prompt() -> None:
    prompt = "<charDescription>The harbour master counts the boats twice every night.</charDescription>"
    heard = await listen(
        PracticeModel(rate=0), ModelRequest((Message("system", prompt), Message("user", "Good evening")))
    )
    assert "The harbour master counts the boats twice every night." in heard.text


_CARD = st.text(st.sampled_from('abc ABC.!?,"*\n{}[]<>()-—:潮汐。，“”《》1'), max_size=160)


@settings(max_examples=100, deadline=None)
@given(
    description=_CARD,
    personality=_CARD,
    scenario=_CARD,
    greeting=_CARD,
    words=_CARD,
    language=st.sampled_from(["en", "zh"]),
    kind=st.sampled_from(["normal", "continue", "swipe"]),
)
def test_any_card_and_any_words_make_a_sound_reply(
    description: str, personality: str, scenario: str, greeting: str, words: str, language: str, kind: str
) -> None:
    card = CharacterMaterial("Mira", "Ada", description, personality, scenario, greeting, description)
    heard = asyncio.run(hear(request(words, character=card, language=language, extra={"type": kind})))
    assert heard.code == ""
    assert 60 <= size(visible(heard)) <= 180
    assert not re.search(r"\{\w*\}", heard.text)
    assert len(tag(heard, "next_prompts").split("\n")) == 3
    assert tag(heard, "events")


async def test_streams_in_small_pieces() -> None:
    pieces = [d.text async for d in PracticeModel(rate=0).stream(request("Hello")) if d.text]
    assert len(pieces) > 60 and max(map(len, pieces)) <= 10


async def test_the_rate_is_kept() -> None:
    clock = asyncio.get_running_loop().time
    begun = clock()
    pieces = 0
    async for _ in PracticeModel(rate=500).stream(request("Hello")):
        pieces += 1
    assert clock() - begun >= (pieces - 2) / 500


@pytest.mark.parametrize(
    ("value", "rate"), [("0", 0), ("12.5", 12.5), ("", 60), ("fast", 60), ("-1", 60), (None, 60)]
)
def test_the_rate_comes_from_the_environment(value: str | None, rate: float) -> None:
    environ = {} if value is None else {"LUNALUX_PRACTICE_RATE": value}
    assert practice_rate(environ) == rate


def test_its_spec_says_what_it_is() -> None:
    assert (PRACTICE.name, PRACTICE.provider, PRACTICE.key_name) == ("practice", "practice", "")


def test_the_phrases_of_all_languages_have_one_shape() -> None:
    """A translator who forgets a kind, or writes a mark that nothing fills in, is told here."""

    def shape(value: object) -> object:
        if isinstance(value, Mapping):
            return {kind: shape(options) for kind, options in value.items()}
        assert isinstance(value, str) or value, "a kind without a phrase"
        return type(value)

    def marks(value: object) -> set[str]:
        return set(re.findall(r"\{\w*\}", str(value)))

    english, chinese = phrases_in("en"), phrases_in("zh")
    for field in fields(Phrases):
        here, there = getattr(english, field.name), getattr(chinese, field.name)
        assert shape(here) == shape(there), field.name
        assert marks(there) <= marks(here), field.name


def test_quoted_names_in_chinese_are_neither_speech_nor_cut_out_of_a_sentence() -> None:
    material = CharacterMaterial(
        name="林晚灯",
        user="旅人",
        description="林晚灯看上去二十三四岁，是便利店“长明”的夜班店员。"
        "她说：“先问他要不要加热。”店里卖“一勺睡意”。",
        greeting="“你来了。”",
    )
    pieces = pieces_of(material)
    assert "林晚灯看上去二十三四岁，是便利店“长明”的夜班店员。" in pieces.about
    assert "你来了。" in pieces.spoken and "一勺睡意" not in pieces.spoken and "长明" not in pieces.spoken
