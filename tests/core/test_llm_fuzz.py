"""Streams of every dialect, broken in the ways networks and servers break them: nothing but our own errors is
raised, no word comes twice, none that came is lost. Every stream has its seed; a failure names it.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from lunalux_core.dialogue.output_contract import ContractStream
from lunalux_core.errors import LunaluxError
from lunalux_core.llm.servers.reply import ReplyDecoder
from lunalux_core.llm.servers.response_body import Body
from lunalux_core.llm.servers.server_failures import Failures

STREAMS = [400, pytest.param(30_000, marks=pytest.mark.slow)]
"""Streams for each dialect and kind of damage."""
WORDS = ("rain ", "潮汐", "lamp\n", "<b>", "[a] ", "🫖", "\u3000", '"', "a < b ", "<", "[TH", "</", "◁ ", "é")
TAKEN = ("<think>", "</think>", "[THINK]", "[/THINK]", "<|channel|>", "<|end|>", "\ud83e", "\x00", "<output>")
ODD: tuple[Any, ...] = (
    *(None, {}, [], "", 0, True, "null", -1, 1e400),
    *({"choices": None}, {"choices": []}, {"choices": [None]}, {"choices": [{}]}),
    *({"choices": [{"delta": None}]}, {"candidates": [None]}, {"candidates": [{"content": 3}]}),
    *({"usage": None}, {"usage": {"prompt_tokens": "x"}}, {"usage": {"prompt_tokens": 5}}),
    *({"type": "ping"}, {"error": None}, {"error": {}}, {"code": 0, "msg": "ok"}),
    *({"base_resp": {"status_code": 0}}, {"choices": [{"delta": {"content": []}}]}),
    {"choices": [{"delta": {"content": None, "tool_calls": [{}]}}]},
    *({"type": "content_block_delta", "delta": 5}, {"type": "message_delta", "delta": None}, {"type": []}),
    *({"type": "message_start", "message": {"usage": {"input_tokens": -1}}}, {"type": "message"}),
    {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "Eq0B"}},
    {"candidates": [{"content": {"parts": [{"inlineData": {}}, {"thought": True}, {"text": None}]}}]},
)
COMMENTS = (": ping", "data:", "data: : WORKING", "event: ping", "id: 7", "retry: 1")
DIRT = (b"\n\n", b'{"error":', b"[DONE]", b"\xff", b"[" * 50, b'"', b"\x00")


def one_event(dialect: str, kind: str, text: str, dice: Random) -> dict[str, Any]:
    """One piece of a reply, in one of the dress that this dialect has for it."""
    if dialect == "gemini":
        event = {"candidates": [{"content": {"parts": [{"text": text, "thought": kind == "thinking"}]}}]}
        return {"response": event} if dice.random() < 0.1 else event
    if dialect == "anthropic":
        name = {"text": "text", "thinking": "thinking"}[kind]
        if dice.random() < 0.3:
            block = {"type": name, name: text}
            return {"type": "content_block_start", "index": 0, "content_block": block}
        delta = {"type": f"{name}_delta", name: text}
        return {"type": "content_block_delta", "index": 0, "delta": delta}
    if kind == "thinking":
        field = dice.choice(("reasoning_content", "reasoning"))
        return {"choices": [{"index": 0, "delta": {field: text}, "finish_reason": None}]}
    content: Any = text if dice.random() < 0.8 else [{"type": "text", "text": text}]
    choice: dict[str, Any] = {"index": 0, "delta": {"content": content}}
    if dice.random() < 0.3:
        choice["finish_reason"] = dice.choice((None, "", "null", "stop"))
    return {"choices": [choice]}


def whole_event(text: str, thinking: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "reasoning_content": thinking}
    return {"object": "chat.completion", "choices": [{"message": message, "finish_reason": "stop"}]}


def written(events: list[Any], dice: Random) -> bytes:
    """The events on the wire: as server-sent events of some make, or as JSON lines."""
    if dice.random() < 0.2 and isinstance(events[0], dict):
        return b"".join(json.dumps(event).encode() + b"\n" for event in events)
    newline = dice.choice(("\n", "\r\n", "\r"))
    lead = dice.choice(("data: ", "data:", f"data:{newline} "))
    parts = []
    for event in events:
        if dice.random() < 0.2:
            parts.append(dice.choice(COMMENTS) + newline * 2)
        ascii_only = dice.random() < 0.5
        parts.append(lead + json.dumps(event, ensure_ascii=ascii_only) + newline * 2)
    if dice.random() < 0.7:
        parts.append(f"{lead}[DONE]{newline * 2}")
    return "".join(parts).encode("utf-8", "surrogatepass")


def cut(raw: bytes, dice: Random) -> list[bytes]:
    places = sorted(dice.randrange(len(raw) + 1) for _ in range(dice.randrange(8)))
    return [raw[start:end] for start, end in zip([0, *places], [*places, len(raw)], strict=True)]


def read(chunks: list[bytes]) -> tuple[str, str, LunaluxError | None, list[Any]]:
    """Text, thinking, the error, and the last deltas, as a reader of the stream gets them."""
    decoder = ReplyDecoder(Failures("h", "m"), ())
    body = Body(decoder)
    deltas: list[Any] = []
    error: LunaluxError | None = None
    try:
        for chunk in chunks:
            body.feed(chunk)
            deltas += body.take()
        body.close()
        deltas += body.take()
        deltas += decoder.end(body.complete)
    except LunaluxError as raised:
        error = raised
        body.flush()
        deltas += body.take()
    text, thinking = [], []
    for delta in deltas:
        if delta.turned:
            thinking.clear()
        text.append(delta.text)
        thinking.append(delta.thinking)
    return "".join(text), "".join(thinking), error, deltas


def squeezed(text: str) -> str:
    """Without white space: what is trimmed at the ends of blocks is nobody's word."""
    return "".join(text.split())


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize("dialect", ["openai", "gemini", "anthropic"])
def test_whatever_happens_on_the_way_every_word_comes_once(dialect: str, streams: int) -> None:
    """The words hold no marks: then text must be text and thinking thinking, to the letter."""
    for seed in range(streams):
        dice = Random(f"{dialect}-{seed}")
        text, thinking, events = "", "", []
        for _ in range(dice.randrange(1, 12)):
            kind = dice.choice(("text", "text", "thinking"))
            piece = "".join(dice.choice(WORDS) for _ in range(dice.randrange(1, 4)))
            events.append(one_event(dialect, kind, piece, dice))
            text, thinking = (text + piece, thinking) if kind == "text" else (text, thinking + piece)
            if dice.random() < 0.2:
                events.append(dice.choice(ODD))
        if dialect == "openai" and dice.random() < 0.3:
            events.append(whole_event(dice.choice((text, text.strip())), thinking))
        if not isinstance(events[0], dict):
            events.insert(0, {"type": "ping"})
        heard, thought, error, deltas = read(cut(written(events, dice), dice))
        said = f"seed {dialect}-{seed}: {events}"
        if text.strip():
            assert error is None, said
            assert (heard, thought) == (text, thinking), said
        elif error is None and thinking.strip():
            assert (squeezed(heard), thought) == (squeezed(thinking), ""), said
        assert error is not None or deltas[-1].finish in {"stop", "cut"}, said


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize("dialect", ["openai", "gemini", "anthropic"])
def test_broken_bytes_raise_nothing_but_our_own(dialect: str, streams: int) -> None:
    """Bytes changed, lost and doubled anywhere, with marks of thinking among the words."""
    for seed in range(streams):
        dice = Random(f"broken-{dialect}-{seed}")
        events: list[Any] = []
        for _ in range(dice.randrange(1, 10)):
            piece = "".join(dice.choice(WORDS + TAKEN) for _ in range(dice.randrange(1, 4)))
            events.append(one_event(dialect, dice.choice(("text", "thinking")), piece, dice))
            if dice.random() < 0.3:
                events.append(dice.choice(ODD))
        raw = bytearray(written(events if isinstance(events[0], dict) else [{}, *events], dice))
        for _ in range(dice.randrange(4)):
            place = dice.randrange(len(raw))
            match dice.randrange(4):
                case 0:
                    raw[place] = dice.randrange(256)
                case 1:
                    del raw[place : place + dice.randrange(30)]
                case 2:
                    raw[place:place] = raw[place : place + dice.randrange(30)]
                case _:
                    raw[place:place] = dice.choice(DIRT)
            if not raw:
                raw = bytearray(b"\n")
        pieces = cut(bytes(raw), dice)
        try:
            text, thinking, error, deltas = read(pieces)
            again = read([bytes([one]) for one in raw])
        except Exception as failure:
            raise AssertionError(f"seed broken-{dialect}-{seed}: {failure!r}") from failure
        assert (text, thinking) == again[:2], f"seed broken-{dialect}-{seed}: cuts matter"
        assert (error and error.code) == (again[2] and again[2].code), f"seed broken-{dialect}-{seed}"
        assert error is not None or deltas[-1].finish is not None
        through_the_form(text, Random(seed))


def through_the_form(text: str, dice: Random) -> None:
    """The same words through the output contract: whole or in pieces they come to the same."""
    whole, pieced = ContractStream(), ContractStream()
    whole.feed(text)
    whole.close()
    place = 0
    while place < len(text):
        step = dice.randrange(1, 9)
        pieced.feed(text[place : place + step])
        place += step
    pieced.close()
    assert pieced.reply() == whole.reply()
