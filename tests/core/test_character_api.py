"""What a call of the API of characters means, and how a streamed answer ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunalux_core.character_api.calls import CallLine, chat_call, text_call
from lunalux_core.character_api.completion_answers import CompletionAnswer, CompletionReply
from lunalux_core.character_api.completion_routes import AnswerEvents
from lunalux_core.character_api.completion_turns import CompletionTurn, Ended, TurnPart
from lunalux_core.dialogue.turn import TextDelta
from lunalux_core.errors import InvalidInput, LunaluxError, ProviderError
from lunalux_core.library.conversations import new_message

ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "model",
        "messages",
        "n",
        "stream",
        "stop",
        "temperature",
        "metadata",
        "stateless",
        "stream_options",
        "response_format",
        "user",
        "prompt",
        "logit_bias",
        "max_tokens",
    ]
)


def body(*lines: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "Ada", "messages": list(lines), **fields}


def line(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def test_the_words_after_the_last_reply_are_what_is_said() -> None:
    call = chat_call(
        body(
            line("system", "Be brief."),
            line("user", "One"),
            line("assistant", "First."),
            line("user", "Two"),
            line("developer", "In rhymes."),
            line("user", [{"type": "text", "text": "Three"}, {"type": "text", "text": "Four"}]),
        )
    )
    assert call.history == (CallLine("user", "One"), CallLine("assistant", "First."))
    assert (call.text, call.instruction) == ("Two\n\nThree\nFour", "Be brief.\n\nIn rhymes.")
    begun = chat_call(body(line("user", "One"), line("assistant", "It was")))
    assert (begun.text, begun.begins, begun.history) == ("One", "It was", ())
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}
    shown = chat_call(body(line("user", [picture]), line("assistant", "I see")))
    assert shown.pictures == (b"x",), "a reply that the client began takes no picture away"
    assert (
        chat_call(body(line("user", [picture]), line("assistant", "I see"), line("user", "So?"))).pictures
        == ()
    )
    assert text_call({"model": "Ada", "prompt": ["Hello"]}).text == "Hello"


def test_names_of_others_are_ours_and_what_says_nothing_is_left_out() -> None:
    call = chat_call(
        body(line("user", "One"), max_completion_tokens=9, repetition_penalty=1.1, stop=[], top_k=3)
    )
    assert call.parameters == {"max_tokens": 9, "repeat_penalty": 1.1, "top_k": 3}
    assert chat_call(body(line("user", "One"), stop="END")).parameters == {"stop": ("END",)}
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    assert chat_call(body(line("user", "One"), response_format=schema)).parameters == {
        "json_schema": {"type": "object"}
    }


@given(st.dictionaries(FIELDS, ODD), ODD)
def test_a_body_of_any_shape_is_read_or_refused_in_a_sentence(fields: dict[str, Any], message: Any) -> None:
    for read, odd in (
        (chat_call, fields),
        (chat_call, body(message) | {"n": 1} | fields),
        (chat_call, body(line("user", message), **{"n": 1} | fields) if "messages" not in fields else fields),
        (text_call, {"model": "Ada", "prompt": "x"} | fields),
        (text_call, message),
    ):
        try:
            read(odd)
        except InvalidInput as error:
            assert error.message and error.code


def reply(text: str) -> CompletionReply:
    return CompletionReply(text, new_message("", None, "assistant", "Ada", text))


async def streamed(*parts: TurnPart | LunaluxError) -> bytes:
    async def come() -> AsyncGenerator[TurnPart, None]:
        for part in parts:
            await asyncio.sleep(0)
            if isinstance(part, LunaluxError):
                raise part
            yield part

    def told(error: Exception) -> LunaluxError:
        assert isinstance(error, LunaluxError)
        return error

    events = AnswerEvents(
        CompletionTurn(None, come()), CompletionAnswer("Ada", "", is_text=False), told, tells_usage=False
    )
    await events.first()
    async with asyncio.timeout(20):
        return b"".join([event async for event in events.stream()])


async def test_a_stream_ends_also_where_nothing_came() -> None:
    assert await streamed() == b"data: [DONE]\n\n"
    whole = await streamed(TextDelta("Hel"), TextDelta("lo"), Ended(0, reply("Hello")))
    assert whole.endswith(b"data: [DONE]\n\n") and whole.count(b"data: ") == 5


async def test_a_failure_is_a_status_before_the_first_word_and_an_event_after_it() -> None:
    refusal = ProviderError("MODEL_REFUSED", "The server refuses.", "Ask otherwise.")
    with pytest.raises(ProviderError):
        await streamed(refusal)
    broken = await streamed(TextDelta("Hel"), refusal)
    assert b"The server refuses. Ask otherwise." in broken and b"[DONE]" not in broken
