"""What a person says about one reply: it reaches the model once, and the story keeps nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import pytest
from llm_server import Answer, ModelServer, chunk, document, event, model_server, raw
from test_books_in_turns import ada

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.dialogue.direction import Direction, ReplyBeginning, Voice, split_instruction
from lunalux_core.dialogue.turn import SideReply, TextDelta, TurnCompleted, TurnEvent, TurnOptions
from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_core.library.conversations import Message
from lunalux_core.runtime import Runtime
from lunalux_core.templates.template_values import ReplyStart

PRESET = {
    "prompts": [{"identifier": "main", "content": "Write."}, {"identifier": "chatHistory", "marker": True}]
}


@dataclass
class World:
    """A conversation with a character behind a scripted server."""

    runtime: Runtime
    server: ModelServer
    place: str

    def answers(self, *texts: str) -> None:
        self.server.will(*(raw(chunk(text), chunk(finish="stop"), b"data: [DONE]\n\n") for text in texts))

    @property
    def sent(self) -> list[dict[str, str]]:
        """The messages of the last request."""
        messages: list[dict[str, str]] = self.server.seen[-1].body["messages"]
        return messages

    async def page(self) -> list[Message]:
        return list(await self.runtime.library.conversations.page(self.place))

    async def swipes(self) -> list[str]:
        """The words of the last message and of its swipes, in order."""
        shelf = self.runtime.library.conversations
        last = (await self.page())[-1]
        return [(await shelf.message(sibling)).content for sibling in await shelf.siblings(last.id)]


@asynccontextmanager
async def world(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, *, preset: bool = True, name: str = "openai:some"
) -> AsyncIterator[World]:
    async with model_server(unknown=True) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        settings = load_settings(paths, {"LUNALUX_LANG": "en"}).with_value("chat.model", name)
        async with Runtime.open(settings) as runtime:
            character = await ada(runtime)
            if preset:
                await runtime.library.presets.add("p", PRESET)
            place = (await runtime.chat.start(character)).id
            yield World(runtime, server, place)


async def collect(events: AsyncIterator[TurnEvent]) -> list[TurnEvent]:
    return [event async for event in events]


def directed(instruction: str = "", **more: object) -> TurnOptions:
    return TurnOptions(direction=Direction(instruction, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("typed", "words", "instruction"),
    [
        ("Hello", "Hello", ""),
        ("Hello ((be brief)) there", "Hello there", "be brief"),
        ("((be brief))", "", "be brief"),
        ("((one)) hi ((two))", "hi", "one\ntwo"),
        ("// be brief", "", "be brief"),
        ("see https://x.y", "see https://x.y", ""),
        ("f(g(x)) = (())", "f(g(x)) = (())", ""),
    ],
)
def test_an_instruction_is_typed_among_the_words(typed: str, words: str, instruction: str) -> None:
    assert split_instruction(typed) == (words, instruction)


@pytest.mark.parametrize("preset", [True, False])
async def test_an_instruction_goes_out_once_and_last_and_is_not_kept(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, preset: bool
) -> None:
    async with world(paths, monkeypatch, preset=preset) as here:
        here.answers("Rain.")
        await collect(here.runtime.chat.send(here.place, "And?", directed("Let {{char}} be curt.")))
        told = here.sent[-1]["content"]
        assert "Let Ada be curt." in told
        if preset:
            assert here.sent[-1] == {"role": "system", "content": "Let Ada be curt."}
        else:
            assert told.index("And?") < told.index("Let Ada be curt.")
        (packed,) = await here.runtime.library.records.list(here.place)
        assert "instruction" in str(await here.runtime.library.records.get(packed.number))
        assert all("curt" not in message.content for message in await here.page())
        await collect(here.runtime.chat.send(here.place, "More?"))
        assert "curt" not in str(here.sent)


async def test_a_place_in_the_history_can_be_chosen(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(paths, monkeypatch) as here:
        here.answers("Rain.")
        options = directed("A wish.", depth=1, role="user")
        await collect(here.runtime.chat.send(here.place, "And?", options))
        assert [one["content"] for one in here.sent[-2:]] == ["A wish.", "And?"]


async def test_continue_and_impersonate_take_an_instruction_and_an_outline(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(paths, monkeypatch) as here:
        here.answers("It rains")
        await collect(here.runtime.chat.send(here.place, "And?"))
        here.answers(" hard.")
        await collect(here.runtime.chat.continue_(here.place, directed("Sadly.")))
        assert "Sadly." in [message["content"] for message in here.sent]
        assert (await here.page())[-1].content == "It rains hard."
        here.answers("I leave, sighing.")
        options = directed(outline="I leave {{char}}", person="first")
        result = await collect(here.runtime.chat.impersonate(here.place, options))
        told = str(here.sent)
        assert "outline" in told and "I leave {{char}}" in told and "first person" in told
        assert isinstance(result[-1], TurnCompleted) and result[-1].text == "I leave, sighing."
        assert len(await here.page()) == 3


async def test_a_rewritten_reply_is_a_swipe_and_the_model_saw_the_old_one(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(paths, monkeypatch) as here:
        here.answers("A very long {{char}} story.")
        await collect(here.runtime.chat.send(here.place, "And?"))
        reply = (await here.page())[-1]
        here.answers("Short.")
        await collect(here.runtime.chat.rewrite(reply.id, "shorter"))
        wish = here.sent[-1]["content"]
        assert "A very long {{char}} story." in wish and "shorter" in wish
        assert [message["content"] for message in here.sent].count("A very long {{char}} story.") == 0
        assert await here.swipes() == ["A very long {{char}} story.", "Short."]
        words = (await here.page())[-2]
        with pytest.raises(InvalidInput, match="words can be rewritten"):
            await collect(here.runtime.chat.rewrite(words.id, "shorter"))


async def test_several_replies_are_swipes_and_the_first_is_shown(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(paths, monkeypatch) as here:
        here.answers("One.", "Two.", "Three.")
        options = TurnOptions(replies=3, direction=Direction("Be kind."))
        events = await collect(here.runtime.chat.send(here.place, "And?", options))
        assert await here.swipes() == ["One.", "Two.", "Three."]
        assert (await here.page())[-1].content == "One."
        assert [one.number for one in events if isinstance(one, SideReply)] == [2, 3]
        assert "".join(one.text for one in events if isinstance(one, TextDelta)) == "One."
        assert "Be kind." in str(here.sent)


def several(*texts: str) -> Answer:
    """One stream with several choices, mixed as servers mix them, and the counts of all."""
    pieces = [(place, text[: len(text) // 2]) for place, text in enumerate(texts)]
    pieces += [(place, text[len(text) // 2 :]) for place, text in enumerate(texts)]
    events = [event({"choices": [{"index": place, "delta": {"content": text}}]}) for place, text in pieces]
    ends = [
        event({"choices": [{"index": place, "delta": {}, "finish_reason": "stop"}]})
        for place in range(len(texts))
    ]
    usage = event({"choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 30}})
    return raw(*events, *ends, usage, b"data: [DONE]\n\n")


async def test_a_server_that_gives_several_is_asked_once(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(paths, monkeypatch) as here:
        here.server.will(several("One, here.", "<think>hm</think>Two, there.", "Three, far."))
        events = await collect(here.runtime.chat.send(here.place, "And?", TurnOptions(replies=3)))
        assert len(here.server.seen) == 1 and here.server.seen[0].body["n"] == 3
        assert await here.swipes() == ["One, here.", "Two, there.", "Three, far."]
        assert "".join(one.text for one in events if isinstance(one, TextDelta)) == "One, here."
        assert [one.message.thinking for one in events if isinstance(one, SideReply)] == ["hm", ""]
        spent = await here.runtime.library.conversations.spending(here.place)
        assert (spent.replies, spent.prompt_tokens, spent.completion_tokens) == (3, 50, 30)
        here.answers("Alone.")
        await collect(here.runtime.chat.send(here.place, "More?"))
        assert "n" not in here.server.seen[-1].body


async def test_several_replies_that_are_stopped_keep_what_came(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(paths, monkeypatch) as here:
        here.server.will(several("One, here.", "Two, there.", "Three, far."))
        texts = 0
        async with aclosing(here.runtime.chat.send(here.place, "And?", TurnOptions(replies=3))) as events:
            async for one in events:
                texts += isinstance(one, TextDelta)
                if texts == 2:  # the first halves of all, and the second of the first
                    break
        assert await here.swipes() == ["One, here.", "Two,", "Three"]
        shown = (await here.page())[-1]
        ids = await here.runtime.library.conversations.siblings(shown.id)
        stored = [await here.runtime.library.conversations.message(one) for one in ids]
        assert shown.content == "One, here." and {one.status for one in stored} == {"stopped"}
        here.answers("Again.")
        await collect(here.runtime.chat.regenerate(shown.id))
        assert (await here.swipes())[-1] == "Again."


async def test_a_server_that_gives_fewer_is_asked_for_the_rest(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(paths, monkeypatch) as here:
        refused = document({"error": {"message": "Only one completion choice is allowed"}}, 400)
        one, two, three = (
            raw(chunk(text), chunk(finish="stop"), b"data: [DONE]\n\n") for text in ("One.", "Two.", "Three.")
        )
        here.server.will(refused, one, two)
        await collect(here.runtime.chat.send(here.place, "And?", TurnOptions(replies=2)))
        assert await here.swipes() == ["One.", "Two."]
        assert ["n" in seen.body for seen in here.server.seen] == [True, False, False]
        here.server.will(one, three)
        await collect(here.runtime.chat.send(here.place, "And?", TurnOptions(replies=2)))
        assert "n" not in here.server.seen[-1].body and await here.swipes() == ["One.", "Three."]


async def test_a_version_that_failed_leaves_the_others(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(paths, monkeypatch) as here:
        good = raw(chunk("One."), chunk(finish="stop"), b"data: [DONE]\n\n")
        here.server.will(good, document({"error": {"message": "no key"}}, 401))
        with pytest.raises(LunaluxError):
            await collect(here.runtime.chat.send(here.place, "And?", TurnOptions(replies=3)))
        assert await here.swipes() == ["One."], "a version without a word is none"
        assert (await here.page())[-1].status == "done"


async def test_a_version_that_was_stopped_keeps_what_came(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(paths, monkeypatch) as here:
        good = raw(chunk("One."), chunk(finish="stop"), b"data: [DONE]\n\n")
        here.server.will(good, raw(chunk("Two, half"), then="hang"))
        turn = asyncio.ensure_future(
            collect(here.runtime.chat.send(here.place, "And?", TurnOptions(replies=2)))
        )
        for _ in range(500):
            if len(here.server.seen) == 2:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert await here.swipes() == ["One.", "Two, half"]


# -- whose words -------------------------------------------------------------------------------------


async def test_words_can_be_stored_without_an_answer_and_answered_later(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(paths, monkeypatch) as here:
        line, _ = await here.runtime.chat.say(here.place, "I wait.")
        assert (line.role, line.content) == ("user", "I wait.") and not here.server.seen
        rain, _ = await here.runtime.chat.say(here.place, "It rains.", TurnOptions(voice=Voice("narrator")))
        assert (rain.role, rain.name) == ("system", "Narrator")
        ghost, _ = await here.runtime.chat.say(
            here.place, "Boo!", TurnOptions(voice=Voice("somebody", "Ghost"))
        )
        assert (ghost.role, ghost.name) == ("assistant", "Ghost")
        own, _ = await here.runtime.chat.say(here.place, "Hm.", TurnOptions(voice=Voice("somebody", "ada")))
        assert (own.role, own.name) == ("assistant", "Ada")
        here.answers("What was that?")
        await collect(here.runtime.chat.answer(here.place))
        assert [(one["role"], one["content"]) for one in here.sent[-4:]] == [
            ("user", "I wait."),
            ("system", "It rains."),
            ("assistant", "Ghost: Boo!"),
            ("assistant", "Hm."),
        ]
        assert (await here.page())[-1].content == "What was that?"
        with pytest.raises(InvalidInput):
            await here.runtime.chat.say(here.place, "  ")


async def test_a_narrators_line_that_is_answered_stays_as_it_was_written(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(paths, monkeypatch) as here:
        here.answers("I hear it.")
        options = TurnOptions(voice=Voice("narrator"))
        await collect(here.runtime.chat.send(here.place, "It rains.", options))
        assert here.sent[-1] == {"role": "system", "content": "It rains."}
        assert [message.content for message in await here.page()][-2:] == ["It rains.", "I hear it."]


# -- what a reply begins with ------------------------------------------------------------------------


def test_a_beginning_stands_once_before_the_reply() -> None:
    def whole(text: str, shown: bool, told: bool, *pieces: str) -> str:
        one = ReplyBeginning(text, shown=shown, told=told)
        return "".join(map(one.feed, pieces)) + one.flush()

    assert whole("She nods", True, False, " and", " smiles.") == "She nods and smiles."
    assert whole("She nods ", True, False, "and") == "She nods and"
    assert whole("She nods ", True, False, " and") == "She nods and"
    assert whole("She nods", True, False, "She", " nods twice") == "She nods twice"
    assert whole("Ah", True, False, "Ah, rain") == "AhAh, rain", "short words may come again by chance"
    assert whole("Ah", True, True, "Ah", ", rain") == "Ah, rain"
    assert whole("Ah", True, True, "Rain") == "Ah Rain"
    assert whole("She nods", False, True, "She nods and smiles") == "and smiles"
    assert whole("She nods", False, False, " and smiles") == " and smiles"
    assert whole("她点头", True, True, "她", "点头微笑") == "她点头微笑"
    assert whole("She nods", True, True, "She") == "She nods She"


async def test_a_server_that_goes_on_is_begun_for_and_others_are_told(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = TurnOptions(direction=Direction(start=ReplyStart("", "{{char}} nods", show=True)))
    async with world(paths, monkeypatch, name="llamacpp:some") as here:
        timings = {"prompt_n": 3, "cache_n": 0}
        pool = here.runtime.models
        spec = pool.resolve("openai:some")
        settings = here.runtime.settings.with_value("chat.model", "openai:some")
        here.runtime.apply(settings)
        end = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "timings": timings})
        here.server.will(raw(chunk("Hi."), end, b"data: [DONE]\n\n"))
        told = await collect(here.runtime.chat.send(here.place, "One", start))
        assert here.sent[-1]["role"] == "system" and "Ada nods" in here.sent[-1]["content"]
        assert isinstance(told[-1], TurnCompleted) and told[-1].text == "Ada nods Hi."
        here.server.will(raw(chunk(" twice."), end, b"data: [DONE]\n\n"))
        begun = await collect(here.runtime.chat.send(here.place, "Two", start))
        assert here.sent[-1] == {"role": "assistant", "content": "Ada nods"}
        assert "".join(one.text for one in begun if isinstance(one, TextDelta)) == "Ada nods twice."
        assert (await here.page())[-1].content == "Ada nods twice."
        assert spec.name == "openai:some"


async def test_a_chat_has_a_beginning_of_its_own_shown_or_hidden(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(paths, monkeypatch, name="anthropic:claude-3-opus") as here:

        def answer(text: str) -> None:
            here.server.will(
                document(
                    {
                        "type": "message",
                        "content": [{"type": "text", "text": text}],
                        "stop_reason": "end_turn",
                    }
                )
            )

        shelf = here.runtime.library.conversations
        await shelf.set(here.place, reply_start={"value": "Hm,", "show": True})
        answer(" rain.")
        await collect(here.runtime.chat.send(here.place, "And?"))
        assert (await here.page())[-1].content == "Hm, rain."
        assert here.server.seen[-1].body["messages"][-1]["role"] == "assistant"
        await shelf.set(here.place, reply_start={"value": "<think>\n", "show": False})
        answer("she lies\n</think>\nSun.")
        await collect(here.runtime.chat.send(here.place, "And?"))
        last = (await here.page())[-1]
        assert (last.content.strip(), last.thinking.strip()) == ("Sun.", "she lies")
        nothing = TurnOptions(direction=Direction(start=ReplyStart()))
        answer("Fog.")
        await collect(here.runtime.chat.send(here.place, "And?", nothing))
        assert (await here.page())[-1].content == "Fog."
        assert here.server.seen[-1].body["messages"][-1]["role"] == "user"


async def test_events_end_in_order_when_the_listener_leaves(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(paths, monkeypatch) as here:
        here.answers("One.", "Two.")
        async with aclosing(here.runtime.chat.send(here.place, "And?", TurnOptions(replies=2))) as events:
            async for one in events:
                if isinstance(one, TurnCompleted):
                    break
        assert await here.swipes() == ["One."]
