"""Every dialect of a model server, as a reader has it: words, thoughts, why it ended, what went wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from llm_server import (
    DONE,
    Answer,
    ModelServer,
    Seen,
    chunk,
    document,
    event,
    listen,
    pool,
    raw,
)

from lunalux_core.llm.model import (
    CharacterMaterial,
    Message,
    ModelOptions,
    ModelRequest,
    ModelSpec,
    PostProcess,
)
from lunalux_core.llm.servers.gemini import GeminiModel
from lunalux_core.llm.servers.openai import OpenAIModel
from lunalux_core.llm.servers.pool import HttpPool

KEY = "sk-test-0123456789abcdef"
COUNTS = {"prompt_tokens": 11, "completion_tokens": 7}
SAID = "The rain has stopped."
THOUGHT = "She is late."


def pieces(text: str, size: int = 4) -> list[str]:
    return [text[place : place + size] for place in range(0, len(text), size)]


def said(text: str = SAID, finish: str | None = "stop") -> list[bytes]:
    """A reply in OpenAI's chunks, with its end."""
    return [*(chunk(piece) for piece in pieces(text)), chunk(finish=finish), DONE]


def lines(*objects: object) -> list[bytes]:
    return [json.dumps(one).encode() + b"\n" for one in objects]


def whole(text: str, finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **message},
        "finish_reason": finish,
    }
    return {"object": "chat.completion", "choices": [choice]}


def part(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One event of Gemini."""
    candidate: dict[str, Any] = {"index": 0}
    if text is not None:
        candidate["content"] = {"role": "model", "parts": [{"text": text, **more}]}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate]}


def openai(server: ModelServer, connections: HttpPool, model: str = "m", **options: Any) -> OpenAIModel:
    spec = ModelSpec("x", "openai", model, f"{server.url}/v1", options=ModelOptions(**options))
    return OpenAIModel(spec, KEY, connections)


def gemini(server: ModelServer, connections: HttpPool, model: str = "m", **options: Any) -> GeminiModel:
    spec = ModelSpec("x", "gemini", model, f"{server.url}/v1beta", options=ModelOptions(**options))
    return GeminiModel(spec, KEY, connections)


# -- streams that end well -----------------------------------------------------------------------------

GOOD: dict[str, tuple[list[bytes], str, str, str]] = {
    "plain": (said(), SAID, "", "stop"),
    "comments as data": ([b"data: : PROCESSING\n\n"] * 40 + said(), SAID, "", "stop"),
    "empty data": ([b"data: \n\n", b"data:\n\n"] * 30 + said(), SAID, "", "stop"),
    "data on the next line": ([piece.replace(b"data: ", b"data:\n ") for piece in said()], SAID, "", "stop"),
    "a mark before the first event": ([b"\xef", b"\xbb", b"\xbf", *said()], SAID, "", "stop"),
    "no blank lines": ([piece.replace(b"\n\n", b"\n") for piece in said()], SAID, "", "stop"),
    "other events between": (
        [b'event: ping\ndata: {"type":"ping"}\n\n', *said()[:3], b"event: status\ndata: {}\n\n", *said()[3:]],
        SAID,
        "",
        "stop",
    ),
    "a queue that tells its place": (
        [event({"type": "queue", "message": "You are number 3"}), *said()],
        SAID,
        "",
        "stop",
    ),
    "an empty error along with each": (
        [
            *(
                event({"error": None, "code": 0, "msg": "ok", "choices": [{"delta": {"content": piece}}]})
                for piece in pieces(SAID)
            ),
            event({"error": {"code": 0, "message": ""}, "choices": [{"delta": {}, "finish_reason": "stop"}]}),
        ],
        SAID,
        "",
        "stop",
    ),
    "the whole message after its pieces": ([*said()[:-1], event(whole(SAID)), DONE], SAID, "", "stop"),
    "the whole message, thoughts too": (
        [
            chunk(reasoning_content=THOUGHT),
            *said()[:-2],
            event(
                {**whole(SAID, reasoning_content=THOUGHT), "base_resp": {"status_code": 0, "status_msg": ""}}
            ),
        ],
        SAID,
        THOUGHT,
        "stop",
    ),
    "the whole message with more than its pieces": (
        [*said()[:2], event(whole(SAID)), DONE],
        SAID,
        "",
        "stop",
    ),
    "a trimmed whole message": ([chunk("\n\n"), *said()[:-2], event(whole(SAID)), DONE], SAID, "", "stop"),
    "the message so far beside each piece": (
        [
            event(
                {
                    "choices": [
                        {
                            "delta": {"role": "assistant", "content": piece},
                            "message": {"role": "assistant", "content": SAID[: 4 * place + 4]},
                            "finish_reason": "stop" if 4 * place + 4 >= len(SAID) else None,
                        }
                    ]
                }
            )
            for place, piece in enumerate(pieces(SAID))
        ],
        SAID,
        "",
        "stop",
    ),
    "pieces called message": (
        [
            *(event({"choices": [{"message": {"content": one}}]}) for one in ("ha", "ha", "ha!")),
            chunk(finish="stop"),
        ],
        "hahaha!",
        "",
        "stop",
    ),
    "a reason with every piece": (
        [*(chunk(piece, finish="stop") for piece in pieces(SAID)), DONE],
        SAID,
        "",
        "stop",
    ),
    "reasons that are none": (
        [*(chunk(piece, finish="null") for piece in pieces(SAID)), DONE],
        SAID,
        "",
        "stop",
    ),
    "two choices": (
        [
            event({"choices": [{"index": 1, "delta": {"content": "Other."}}]}),
            event(
                {
                    "choices": [
                        {"index": 1, "delta": {"content": "No."}},
                        {"index": 0, "delta": {"content": SAID}, "finish_reason": "stop"},
                    ]
                }
            ),
        ],
        SAID,
        "",
        "stop",
    ),
    "after the end": ([*said(), chunk("AFTER")], SAID, "", "stop"),
    "JSON lines of Ollama": (
        lines(
            *({"message": {"role": "assistant", "content": piece}, "done": False} for piece in pieces(SAID)),
            {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "length"},
        ),
        SAID,
        "",
        "length",
    ),
    "JSON lines that think": (
        lines(
            {"message": {"role": "assistant", "content": "", "thinking": THOUGHT}, "done": False},
            {"message": {"content": SAID}, "done": True, "eval_count": 4, "prompt_eval_count": 9},
        ),
        SAID,
        THOUGHT,
        "stop",
    ),
    "JSON lines of chunks": ([piece.removeprefix(b"data: ") for piece in said()], SAID, "", "stop"),
    "documents without a break": (
        [b"".join(line.strip() for line in lines(*({"response": piece} for piece in pieces(SAID))))],
        SAID,
        "",
        "stop",
    ),
    "llama.cpp's own": (
        [
            *(event({"content": piece, "stop": False}) for piece in pieces(SAID)),
            event({"content": "", "stop": True, "stop_type": "limit"}),
        ],
        SAID,
        "",
        "length",
    ),
    "KoboldCpp's own": (
        [
            *(event({"token": piece, "finish_reason": None}) for piece in pieces(SAID)),
            event({"token": "", "finish_reason": "stop"}),
        ],
        SAID,
        "",
        "stop",
    ),
    "an envelope": (
        [event({"code": 200, "msg": "success", "data": whole(SAID)}), DONE],
        SAID,
        "",
        "stop",
    ),
    "one document": ([json.dumps(whole(SAID), indent=2).encode()], SAID, "", "stop"),
    "one document without a reason": ([json.dumps(whole(SAID, None)).encode() + b"\n"], SAID, "", "stop"),
    "one document with thoughts": (
        [json.dumps(whole(f"<think>{THOUGHT}</think>\n\n{SAID}")).encode()],
        SAID,
        THOUGHT,
        "stop",
    ),
    "content in parts": (
        [
            chunk(content=[{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}]),
            chunk(content=[{"type": "text", "text": SAID}], finish="stop"),
        ],
        SAID,
        THOUGHT,
        "stop",
    ),
    "all of it as thoughts": (
        [*(chunk(reasoning_content=piece) for piece in pieces(SAID)), chunk(finish="stop"), DONE],
        SAID,
        "",
        "stop",
    ),
}
for _opening, _closing in (
    ("<think>", "</think>"),
    ("<THINKING>", "</Thinking>"),
    ("<thought>", "</thought>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
):
    GOOD[f"thoughts in {_opening.strip()}"] = (
        said(f"{_opening}{THOUGHT}{_closing}{SAID}"),
        SAID,
        THOUGHT,
        "stop",
    )

ENDINGS = {
    "length": (
        "length",
        "max_tokens",
        "MAX_TOKENS",
        "maxTokens",
        "max_output_tokens",
        "model_context_window_exceeded",
    ),
    "filtered": ("content_filter", "sensitive", "SAFETY", "refusal", "guardrail_intervened"),
    "cut": ("repetition_truncation", "insufficient_system_resource", "network_error", "OTHER", "unheard_of"),
    "tool": ("tool_calls", "function_call", "tool_use"),
    "stop": (
        *("stop", "STOP", "end_turn", "stop_sequence", "eos", "complete", "stop_token", "stop_tokens"),
        *("eos_token_id", "eot", "<|eot_id|>", "end_of_turn", "endTurn", "im_end", "normal", "finished"),
    ),
}
for _finish, _words in ENDINGS.items():
    for _word in _words:
        GOOD[f"ends with {_word}"] = (said(SAID, _word), SAID, "", _finish)
for _index in ("0", -1, None, 0.0):
    GOOD[f"counted from {_index!r}"] = (
        [event({"choices": [{"index": _index, "delta": {"content": SAID}, "finish_reason": "stop"}]}), DONE],
        SAID,
        "",
        "stop",
    )
for _name, _content in {
    "a list of lists": [[{"type": "text", "text": SAID}]],
    "a part whose text has a value": [{"type": "text", "text": {"value": SAID, "annotations": []}}],
    "a part of parts": [{"content": [{"text": [{"text": SAID}]}]}],
    "a nest without an end beside words": [SAID, json.loads("[" * 450 + '"deep"' + "]" * 450)],
}.items():
    GOOD[f"words in {_name}"] = ([chunk(_content), chunk(finish="stop"), DONE], SAID, "", "stop")
GOOD["OpenAI's Responses"] = (
    [
        event({"type": "response.created", "response": {"status": "in_progress", "output": []}}),
        event({"type": "response.reasoning_summary_text.delta", "delta": THOUGHT}),
        *(event({"type": "response.output_text.delta", "delta": piece}) for piece in pieces(SAID)),
        event({"type": "response.function_call_arguments.delta", "delta": "{}"}),
        event({"type": "response.output_text.done", "text": SAID}),
        event({"type": "response.completed", "response": {"usage": {"input_tokens": 3, "output_tokens": 5}}}),
    ],
    SAID,
    THOUGHT,
    "stop",
)
GOOD["OpenAI's Responses, cut at the limit"] = (
    [
        event({"type": "response.output_text.delta", "delta": SAID}),
        event(
            {
                "type": "response.incomplete",
                "response": {"incomplete_details": {"reason": "max_output_tokens"}, "error": None},
            }
        ),
    ],
    SAID,
    "",
    "length",
)
GOOD["Cohere"] = (
    [
        *(
            event({"type": "content-delta", "delta": {"message": {"content": {"text": piece}}}})
            for piece in pieces(SAID)
        ),
        event({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}),
    ],
    SAID,
    "",
    "stop",
)
GOOD["Cohere's older one"] = (
    [
        event({"event_type": "text-generation", "text": SAID}),
        event({"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"text": SAID}}),
    ],
    SAID,
    "",
    "stop",
)
GOOD["TGI"] = (
    [
        *(event({"token": {"text": piece, "special": False}}) for piece in pieces(SAID)),
        event(
            {
                "token": {"text": "</s>", "special": True},
                "generated_text": SAID,
                "details": {"finish_reason": "eos_token"},
            }
        ),
    ],
    SAID,
    "",
    "stop",
)
for _end in ("<|start|>assistant<|channel|>final<|message|>", "<|channel|>final<|message|>"):
    GOOD[f"a thought that {_end} ends"] = (
        said(f"<|channel|>analysis<|message|>{THOUGHT}{_end}{SAID}<|return|>"),
        SAID,
        THOUGHT,
        "stop",
    )
for _end in ("[done]", '"[DONE]"', "DONE"):
    GOOD[f"the end mark {_end}"] = ([*said()[:-2], f"data: {_end}\n\n".encode()], SAID, "", "stop")
GOOD["an event that is called done"] = ([*said()[:-2], b"event: done\ndata: {}\n\n"], SAID, "", "stop")
GOOD["the name of the field twice"] = (
    [piece.replace(b"data:", b"data: data:") for piece in said()],
    SAID,
    "",
    "stop",
)
GOOD["a blank before each field"] = ([b" " + piece for piece in said()], SAID, "", "stop")
GOOD["events over several lines"] = (
    [
        b"data: " + json.dumps(json.loads(piece.removeprefix(b"data: ")), indent=indent).encode() + b"\n\n"
        for indent in (2, 0)
        for piece in said()[:-1][slice(0, 3) if indent else slice(3, None)]
    ],
    SAID,
    "",
    "stop",
)
GOOD["events as strings of JSON"] = (
    [event(piece.removeprefix(b"data: ").decode()) for piece in said()[:-1]],
    SAID,
    "",
    "stop",
)
GOOD["a document after comments"] = (
    [b": alive\n\n", b": alive\n\n", json.dumps(whole(SAID)).encode()],
    SAID,
    "",
    "stop",
)
GOOD["a pretty document after comments"] = (
    [b": alive\n\n", json.dumps(whole(SAID), indent=2).encode() + b"\n"],
    SAID,
    "",
    "stop",
)
GOOD["a list of events"] = (
    [json.dumps([json.loads(piece.removeprefix(b"data: ")) for piece in said()[:-1]]).encode()],
    SAID,
    "",
    "stop",
)
for _index in (0, None):
    GOOD[f"two pieces in an event, counted from {_index}"] = (
        [
            event(
                {
                    "choices": [
                        {"index": _index, "delta": {"content": piece}} for piece in pieces(SAID)[at:][:2]
                    ]
                }
            )
            for at in range(0, len(pieces(SAID)), 2)
        ],
        SAID if _index == 0 else "".join(pieces(SAID)[::2]),
        "",
        "cut",
    )
GOOD["the same piece twice in an event"] = (
    [event({"choices": [{"index": 0, "delta": {"content": piece}}] * 2}) for piece in pieces(SAID)]
    + said()[-2:],
    SAID,
    "",
    "stop",
)
GOOD["a line break as it is"] = (
    [json.dumps(whole("The rain\nhas stopped.")).replace("\\n", "\n").encode()],
    "The rain\nhas stopped.",
    "",
    "stop",
)
GOOD["a tab as it is"] = ([chunk("a\tb").replace(b"\\t", b"\t"), *said()[-2:]], "a\tb", "", "stop")
GOOD["a refusal of the model in parts"] = (
    [json.dumps(whole([{"type": "refusal", "refusal": "I cannot."}])).encode()],  # type: ignore[arg-type]
    "I cannot.",
    "",
    "stop",
)
_THOUGHTS: dict[str, dict[str, Any]] = {
    "reasoning_text": {"reasoning_text": THOUGHT},
    "thinking_blocks": {"thinking_blocks": [{"type": "thinking", "thinking": THOUGHT, "signature": "x"}]},
    "both of a proxy": {
        "reasoning_content": THOUGHT,
        "thinking_blocks": [{"type": "thinking", "thinking": THOUGHT}],
    },
    "parts of type reasoning_text": {"content": [{"type": "reasoning_text", "text": THOUGHT}]},
    "parts of a type that is none": {"content": [{"type": [], "text": ""}], "reasoning": THOUGHT},
}
for _name, _thought in _THOUGHTS.items():
    GOOD[f"thoughts in {_name}"] = ([chunk(**_thought), *said()], SAID, THOUGHT, "stop")
for _reason in ({"finishReason": "length"}, {"finish_reason": {"type": "length", "length": 9}}):
    _choice = {"index": 0, "delta": {}, **_reason}
    GOOD[f"ends with {_reason}"] = ([*said()[:-2], event({"choices": [_choice]}), DONE], SAID, "", "length")
GOOD["ends without a word"] = (said()[:-2], SAID, "", "cut")
GOOD["ends with the end mark alone"] = ([*said()[:-2], DONE], SAID, "", "stop")


@pytest.mark.parametrize("name", GOOD)
async def test_what_a_reader_has(server: ModelServer, connections: HttpPool, name: str) -> None:
    body, text, thinking, finish = GOOD[name]
    server.will(raw(*body))
    heard = await listen(openai(server, connections))
    assert heard.code == ""
    assert (heard.text.strip(), heard.thinking, heard.last.finish) == (text, thinking, finish)
    assert len(server.seen) == 1
    assert heard.last.usage is not None


GEMINI: dict[str, tuple[list[dict[str, Any]], str, str, str]] = {
    "plain": ([*(part(piece) for piece in pieces(SAID)), part("", "STOP")], SAID, "", "stop"),
    "thoughts": ([part(THOUGHT, thought=True), part(SAID, "STOP")], SAID, THOUGHT, "stop"),
    "cut at the limit": ([part("The rain"), part(" has", "MAX_TOKENS")], "The rain has", "", "length"),
    "cut at the limit, in the other spelling": (
        [{"candidates": [{**part("The rain")["candidates"][0], "finish_reason": "MAX_TOKENS"}]}],
        "The rain",
        "",
        "length",
    ),
    "filtered": ([part("The rain"), part(" has", "SAFETY")], "The rain has", "", "filtered"),
    "filtered by an event of its own": (
        [part("The"), part(finish="PROHIBITED_CONTENT")],
        "The",
        "",
        "filtered",
    ),
    "for another reason": ([part("The"), part(finish="OTHER")], "The", "", "cut"),
    "all of it as thoughts": ([part(SAID, thought=True), part("", "STOP")], SAID, "", "stop"),
    "in an envelope": ([{"response": part(SAID, "STOP")}], SAID, "", "stop"),
}


@pytest.mark.parametrize("name", GEMINI)
async def test_what_a_reader_has_of_gemini(server: ModelServer, connections: HttpPool, name: str) -> None:
    body, text, thinking, finish = GEMINI[name]
    server.will(raw(*map(event, body)))
    heard = await listen(gemini(server, connections))
    assert (heard.code, heard.text, heard.thinking, heard.last.finish) == ("", text, thinking, finish)


# -- refusals with status 200 --------------------------------------------------------------------------

REFUSALS: dict[str, tuple[list[bytes], str, str]] = {
    "vLLM": (
        [event({"object": "error", "message": "maximum context length is 2048 tokens", "code": 400}), DONE],
        "CONTEXT_TOO_LONG",
        "2048",
    ),
    "DeepInfra": (
        [
            event(
                {
                    "choices": None,
                    "error_type": "BadRequestError",
                    "error_message": "no such thing",
                    "code": 400,
                }
            )
        ],
        "MODEL_REFUSED",
        "no such thing",
    ),
    "DashScope": (
        [b'id:1\nevent:error\n:HTTP/400\ndata:{"code":"X","message":"Range of input length is [1, 9]"}\n\n'],
        "CONTEXT_TOO_LONG",
        "[1, 9]",
    ),
    "an event of words": (
        [b"event: error\ndata: the boiler is cold\n\n"],
        "MODEL_REFUSED",
        "the boiler is cold",
    ),
    "code and msg": (
        [event({"code": 429, "msg": "slow down", "data": None})],
        "MODEL_RATE_LIMITED",
        "slow down",
    ),
    "code and message": (
        [json.dumps({"code": "InvalidApiKey", "message": "Invalid API-key provided."}).encode()],
        "MODEL_KEY_REJECTED",
        "Invalid API-key",
    ),
    "Chinese": (
        [json.dumps({"code": 401, "msg": "令牌已过期"}).encode()],
        "MODEL_KEY_REJECTED",
        "令牌已过期",
    ),
    "MiniMax": (
        [json.dumps({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}).encode()],
        "MODEL_KEY_REJECTED",
        "login fail",
    ),
    "MiniMax with empty choices": (
        [event({"choices": None, "base_resp": {"status_code": 1000, "status_msg": "all is dark"}})],
        "MODEL_REFUSED",
        "all is dark",
    ),
    "Qianfan": (
        [json.dumps({"error_code": 336, "error_msg": "the moon is down"}).encode()],
        "MODEL_REFUSED",
        "the moon is down",
    ),
    "Cloudflare": (
        [
            json.dumps(
                {"success": False, "errors": [{"code": 7000, "message": "No route for that URI"}]}
            ).encode()
        ],
        "MODEL_REFUSED",
        "No route",
    ),
    "FastAPI": ([json.dumps({"detail": "the door is shut"}).encode()], "MODEL_REFUSED", "the door is shut"),
    "FastChat": (
        [event({"text": "**HIGH TRAFFIC**", "error_code": 50001})],
        "MODEL_SERVER_ERROR",
        "HIGH TRAFFIC",
    ),
    "Anthropic": (
        [b'event: error\ndata: {"type":"error","error":{"type":"overloaded","message":"Overloaded"}}\n\n'],
        "MODEL_SERVER_ERROR",
        "Overloaded",
    ),
    "a nest": (
        [event({"error": {"error": {"message": "the well is dry"}}})],
        "MODEL_REFUSED",
        "the well is dry",
    ),
    "OpenRouter's provider": (
        [
            event(
                {
                    "error": {
                        "message": "Provider returned error",
                        "metadata": {"raw": '{"error":{"message":"no oil"}}'},
                    }
                }
            )
        ],
        "MODEL_REFUSED",
        "no oil",
    ),
    "a reason called error": (
        [event({"choices": [{"delta": {}, "finish_reason": "error", "error": {"message": "no wind"}}]})],
        "MODEL_SERVER_ERROR",
        "no wind",
    ),
    "an error beside a choice": (
        [event({"choices": [{"index": 0, "delta": {"content": ""}, "error": {"message": "no wind"}}]}), DONE],
        "MODEL_SERVER_ERROR",
        "no wind",
    ),
    "an error beside a message": (
        [
            event(
                {
                    "object": "chat.completion",
                    "choices": [
                        {
                            "index": 0,
                            "message": {"role": "assistant", "content": ""},
                            "finish_reason": "stop",
                            "error": {"code": 429, "message": "too many boats"},
                        }
                    ],
                }
            )
        ],
        "MODEL_RATE_LIMITED",
        "too many boats",
    ),
    "Groq": (
        [event({"id": "c", "choices": [], "x_groq": {"id": "r", "error": "over_capacity"}}), DONE],
        "MODEL_SERVER_ERROR",
        "over_capacity",
    ),
    "raw JSON after comments": (
        [b": alive\n\n", json.dumps({"error": {"message": "no oars"}}).encode()],
        "MODEL_REFUSED",
        "no oars",
    ),
    "an event over several lines": (
        [b"data: " + json.dumps({"error": {"message": "no oars"}}, indent=2).encode() + b"\n\n"],
        "MODEL_REFUSED",
        "no oars",
    ),
    "a status and a reason": (
        [event({"status": "error", "reason": "the mill stands"})],
        "MODEL_REFUSED",
        "the mill stands",
    ),
    "a status and a result": (
        [event({"status": "failed", "result": "the mill stands"})],
        "MODEL_REFUSED",
        "refused the request: the mill stands",
    ),
    "err": ([event({"err": "the mill stands"})], "MODEL_REFUSED", "refused the request: the mill stands"),
    "Error": (
        [event({"Error": "the mill stands", "Code": 5})],
        "MODEL_REFUSED",
        "refused the request: the mill stands",
    ),
    "OpenAI, without a code": (
        [
            event(
                {"error": {"message": "no sails", "type": "server_error", "param": None, "code": None}},
            )
        ],
        "MODEL_SERVER_ERROR",
        "no sails",
    ),
    "an error with an empty code": (
        [event({"error": {"message": "no sails", "code": ""}})],
        "MODEL_REFUSED",
        "no sails",
    ),
    "plain words": ([b"Internal Server Error"], "MODEL_BAD_ANSWER", "Internal Server Error"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_in_a_good_answer_is_told(
    server: ModelServer, connections: HttpPool, name: str
) -> None:
    body, code, words = REFUSALS[name]
    server.will(raw(*body))
    heard = await listen(openai(server, connections))
    assert (heard.code, heard.text) == (code, "")
    assert heard.error is not None and words in heard.error.message


@pytest.mark.parametrize("indent", [None, 2])
async def test_a_refusal_without_a_field_before_it_is_told(
    server: ModelServer, connections: HttpPool, indent: int | None
) -> None:
    """Proxies end a stream with a failure as it came to them."""
    failure = {"error": {"code": 503, "message": "the bridge is up", "status": "UNAVAILABLE"}}
    server.will(raw(chunk("The rain"), chunk(" has"), json.dumps(failure, indent=indent).encode()))
    heard = await listen(openai(server, connections))
    assert (heard.code, heard.text) == ("MODEL_SERVER_ERROR", "The rain has")
    assert heard.error is not None and "the bridge is up" in heard.error.message


async def test_what_a_server_says_instead_of_a_reply_is_told(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(document({"id": "q", "status": "queued", "message": "Your turn comes."}, 202))
    heard = await listen(openai(server, connections))
    assert heard.code == "MODEL_EMPTY_REPLY"
    assert heard.error is not None and "Your turn comes." in heard.error.message


@pytest.mark.parametrize("name", [name for name, row in REFUSALS.items() if row[0][0][:1] in b"dei"])
async def test_a_refusal_in_mid_stream_keeps_the_text(
    server: ModelServer, connections: HttpPool, name: str
) -> None:
    body, code, words = REFUSALS[name]
    server.will(raw(chunk("The rain"), chunk(" has"), *body))
    heard = await listen(openai(server, connections))
    assert (heard.code, heard.text, len(server.seen)) == (code, "The rain has", 1)
    assert heard.error is not None and words in heard.error.message


@pytest.mark.parametrize(
    "last",
    [
        {"error": {"message": "no usage record", "code": 500}},
        {"choices": [{"index": 0, "delta": {}, "error": {"message": "no usage record"}}]},
        {"object": "error", "message": "no usage record"},
    ],
)
async def test_a_failure_after_the_end_takes_nothing_away(
    server: ModelServer, connections: HttpPool, last: dict[str, Any]
) -> None:
    server.will(raw(*said()[:-1], event(last), DONE))
    heard = await listen(openai(server, connections))
    assert (heard.code, heard.text, heard.last.finish) == ("", SAID, "stop")
    # A reason that comes with every piece is not the end.
    server.will(raw(*(chunk(piece, finish="stop") for piece in pieces(SAID)), event(last)))
    heard = await listen(openai(server, connections))
    assert heard.error is not None and "no usage record" in heard.error.message
    assert heard.text == SAID


# -- counts and gaps -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "prompt", "reply", "estimated"),
    [
        ({"prompt_tokens": 11, "completion_tokens": 7}, 11, 7, False),
        ({"prompt_tokens": 11.0, "completion_tokens": 7.0}, 11, 7, False),
        ({"prompt_tokens": 10**30, "completion_tokens": 7}, 6, 7, True),
        ({"prompt_tokens": True, "completion_tokens": -5}, 6, 8, True),
        ({"prompt_tokens": 0, "completion_tokens": 0}, 6, 8, True),
        ({"prompt_tokens": 11, "completion_tokens": None}, 11, 8, True),
        ({"prompt_tokens": "11", "completion_tokens": [7]}, 11, 8, True),
        ({"prompt_tokens": "11", "completion_tokens": "7"}, 11, 7, False),
        ({"prompt_tokens": "eleven", "completion_tokens": "-7"}, 6, 8, True),
        ({"promptTokens": 11, "completionTokens": 7}, 11, 7, False),
    ],
)
async def test_counts_that_cannot_be_are_estimated(
    server: ModelServer,
    connections: HttpPool,
    told: dict[str, Any],
    prompt: int,
    reply: int,
    estimated: bool,
) -> None:
    server.will(raw(chunk(SAID), event({"choices": [], "usage": told}), chunk(finish="stop"), DONE))
    usage = (await listen(openai(server, connections))).last.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (prompt, reply, estimated)
    assert type(usage.prompt_tokens) is type(usage.completion_tokens) is int


@pytest.mark.parametrize(
    "last",
    [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": COUNTS}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": COUNTS}},
        {"results": [{"text": SAID, "finish_reason": "stop", **COUNTS}]},
    ],
)
async def test_counts_are_found_where_servers_put_them(
    server: ModelServer, connections: HttpPool, last: dict[str, Any]
) -> None:
    server.will(raw(chunk(SAID), event(last), DONE))
    usage = (await listen(openai(server, connections))).last.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (11, 7, False)


async def test_gemini_counts_in_either_spelling(server: ModelServer, connections: HttpPool) -> None:
    counts = {"prompt_token_count": 11, "candidates_token_count": 5, "thoughts_token_count": 2}
    server.will(raw(event({**part(SAID, "STOP"), "usage_metadata": counts})))
    usage = (await listen(gemini(server, connections))).last.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.thinking_tokens) == (11, 7, 2)


async def test_a_piece_that_cannot_be_read_is_a_gap(server: ModelServer, connections: HttpPool) -> None:
    """The reply goes on, and says that something is missing; a piece without words is none."""
    lost = b'data: {"choices":[{"index":0,"delta":{"content":" has stop\n\n'
    server.will(raw(chunk("The rain"), lost, chunk("ped."), chunk(finish="stop"), DONE))
    heard = await listen(openai(server, connections))
    assert (heard.text, heard.last.finish) == ("The rainped.", "cut")
    for harmless in (b'data: {"choices":[{"index":0,"delta":{"cont\n\n', b"data: ping\n\n"):
        server.will(raw(chunk("The rain"), harmless, chunk(finish="stop"), lost, DONE))
        assert (await listen(openai(server, connections))).last.finish == "stop"


# -- replies without a word ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "kind"),
    [
        ([chunk(reasoning_content="Hm."), chunk(finish="length"), DONE], "MODEL_EMPTY_REPLY", "length"),
        ([event(part(finish="MAX_TOKENS"))], "MODEL_EMPTY_REPLY", "length"),
        ([chunk(finish="tool_calls")], "MODEL_EMPTY_REPLY", "tool"),
        ([event(part(finish="MALFORMED_FUNCTION_CALL"))], "MODEL_EMPTY_REPLY", "tool"),
        ([event(part(finish="OTHER"))], "MODEL_EMPTY_REPLY", "word"),
        ([chunk(finish="content_filter")], "MODEL_BLOCKED", "said"),
        ([chunk(finish="sensitive")], "MODEL_BLOCKED", "said"),
        ([event(part(finish="LANGUAGE"))], "MODEL_BLOCKED", "said"),
        ([], "MODEL_EMPTY_REPLY", "cut"),
        ([chunk("  \n"), chunk(finish="stop"), DONE], "MODEL_EMPTY_REPLY", None),
    ],
)
async def test_an_empty_reply_says_why(
    server: ModelServer, connections: HttpPool, body: list[bytes], code: str, kind: str | None
) -> None:
    server.will(raw(*body))
    heard = await listen(openai(server, connections))
    assert heard.error is not None and heard.error.hint
    assert (heard.code, heard.error.params.get("kind")) == (code, kind)
    assert heard.error.params.get("only_thinking", False) is (b"reasoning" in b"".join(body))


async def test_a_busy_server_without_a_word_is_asked_again(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(raw(chunk("", finish="insufficient_system_resource"), DONE), raw(*said()))
    heard = await listen(openai(server, connections))
    assert (heard.text, len(server.seen)) == (SAID, 2)


# -- strict templates ----------------------------------------------------------------------------------

CONVERSATION = (
    Message("system", "Be the keeper."),
    Message("system", "Good day.", "example_user"),
    Message("system", "Aye.", "example_assistant"),
    Message("assistant", "You came."),
    Message("user", "I did.", "Bo Lind"),
    Message("system", "Rain."),
)
REQUEST = ModelRequest(CONVERSATION, character=CharacterMaterial("Mira", "Bo"))
SHAPES: dict[PostProcess, list[tuple[str, str]]] = {
    "none": [
        *(
            ("system", "Be the keeper."),
            ("system", "Good day."),
            ("system", "Aye."),
            ("assistant", "You came."),
        ),
        *(("user", "I did."), ("system", "Rain.")),
    ],
    "merge": [
        ("system", "Be the keeper.\n\nBo: Good day.\n\nMira: Aye."),
        ("assistant", "You came."),
        ("user", "Bo Lind: I did."),
        ("system", "Rain."),
    ],
    "semi-strict": [
        ("system", "Be the keeper.\n\nBo: Good day.\n\nMira: Aye."),
        ("assistant", "You came."),
        ("user", "Bo Lind: I did.\n\nRain."),
    ],
    "strict": [
        ("system", "Be the keeper.\n\nBo: Good day.\n\nMira: Aye."),
        ("user", "Let us begin."),
        ("assistant", "You came."),
        ("user", "Bo Lind: I did.\n\nRain."),
    ],
    "single": [
        (
            "user",
            "Be the keeper.\n\nBo: Good day.\n\nMira: Aye.\n\nMira: You came.\n\nBo Lind: I did.\n\nRain.",
        ),
    ],
}


def sent(seen: Seen) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in seen.body["messages"]]


@pytest.mark.parametrize("mode", SHAPES)
async def test_a_chosen_mode_shapes_what_is_sent(
    server: ModelServer, connections: HttpPool, mode: PostProcess
) -> None:
    server.will(raw(*said()))
    heard = await listen(openai(server, connections, post_process=mode), REQUEST)
    assert heard.text == SAID and sent(server.seen[0]) == SHAPES[mode]
    assert any("name" in message for message in server.seen[0].body["messages"]) == (mode == "none")
    assert heard.last.shape == ("" if mode == "none" else mode)


def template(judge: Any, words: str, status: int = 400) -> Answer:
    """A server that answers only what its template takes."""

    async def answer(request: web.Request, seen: Seen) -> web.StreamResponse:
        messages = seen.body["messages"]
        if judge([message["role"] for message in messages], messages):
            return await raw(*said())(request, seen)
        return await document({"error": {"message": words, "type": "invalid_request_error"}}, status)(
            request, seen
        )

    return answer


def alternates(roles: list[str], messages: Any) -> bool:
    rest = roles[1:] if roles[:1] == ["system"] else roles
    return rest == [("user", "assistant")[place % 2] for place in range(len(rest))]


TEMPLATES: dict[str, tuple[Any, str, int]] = {
    "alternating": (
        alternates,
        "After the optional system message, conversation roles must alternate user/assistant/user/...",
        400,
    ),
    "alternating, as a fault of the server": (
        alternates,
        "Conversation roles must alternate user/assistant/user/assistant/... at row 1, column 294",
        500,
    ),
    "a long Jinja error": (
        alternates,
        "\n------------\nWhile executing CallExpression at line 5:\n"
        + "{{ raise_exception('x') }} " * 20
        + "roles",
        500,
    ),
    "system first": (
        lambda roles, _: "system" not in roles[1:],
        "System message must be at the beginning.",
        400,
    ),
    "no system": (lambda roles, _: "system" not in roles, "System role not supported", 400),
    "no system, worded otherwise": (
        lambda roles, _: "system" not in roles,
        "Only user and assistant roles are supported!",
        500,
    ),
    "no system and alternating": (
        lambda roles, messages: "system" not in roles and alternates(roles, messages),
        "System role not supported by this chat template",
        400,
    ),
    "no names": (
        lambda _, messages: not any("name" in message for message in messages),
        "property 'messages.4.name' is unsupported",
        400,
    ),
    "no names but the user's": (
        lambda _, messages: not any("name" in message for message in messages if message["role"] != "user"),
        "Only messages of role 'user' can have a name.",
        400,
    ),
    "the person last": (
        lambda roles, _: roles[-1] == "user",
        "Cannot set `add_generation_prompt` to True when the last message is from the assistant.",
        400,
    ),
    "alternating, in other words": (
        alternates,
        "reasoner does not support successive user or assistant messages. You should interleave them.",
        400,
    ),
    "alternating, in Chinese": (alternates, "messages 参数非法：role 必须交替出现", 400),
    "the odd ones the user's": (alternates, "the role of odd-numbered messages must be user", 400),
    "system first, in other words": (
        lambda roles, _: "system" not in roles[1:],
        "Only the first message can be a system message",
        400,
    ),
    "system first, by place": (
        lambda roles, _: "system" not in roles[1:],
        "messages.4.role: Input should be 'user' or 'assistant'",
        422,
    ),
    "no system, by place": (
        lambda roles, _: "system" not in roles,
        "messages.0.role: Input should be 'user' or 'assistant'",
        422,
    ),
    "no system, as a list": (
        lambda roles, _: "system" not in roles,
        "'system' is not one of ['user', 'assistant'] - 'messages.0.role'",
        400,
    ),
    "the person last, in other words": (
        lambda roles, _: roles[-1] == "user",
        "messages: final message must be a user message",
        400,
    ),
    "no begun reply": (
        lambda roles, _: roles[-1] == "user",
        "Assistant response prefill is incompatible with enable_thinking.",
        500,
    ),
    "no system, as a list of roles": (
        lambda roles, _: "system" not in roles,
        "Role must be in [user, assistant]",
        400,
    ),
    "no system, as serde says it": (
        lambda roles, _: "system" not in roles,
        "Failed to deserialize the JSON body: messages[0].role: unknown variant `system`, "
        "expected `user` or `assistant` at line 1 column 60",
        422,
    ),
    "the person first, by place": (
        lambda roles, _: next(role for role in roles if role != "system") == "user",
        "messages[1].role: invalid role 'assistant', expected 'user'",
        400,
    ),
    "the person last, by role": (
        lambda roles, _: roles[-1] == "user",
        "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
        400,
    ),
    "nothing but one message": (lambda roles, _: len(roles) == 1, "chat template error", 500),
}


@pytest.mark.parametrize("name", TEMPLATES)
async def test_a_strict_template_is_found_out_and_remembered(
    server: ModelServer, connections: HttpPool, name: str
) -> None:
    judge, words, status = TEMPLATES[name]
    server.will(template(judge, words, status))
    heard = await listen(openai(server, connections), REQUEST)
    assert (heard.code, heard.text) == ("", SAID)
    assert heard.last.shape and len(server.seen) <= 6
    everything = " ".join(text for _, text in sent(server.seen[-1]))
    assert all(one.content in everything for one in CONVERSATION)
    before = len(server.seen)
    assert (await listen(openai(server, connections), REQUEST)).text == SAID
    assert len(server.seen) == before + 1


STEPS = {
    "no system, as a list of roles": "none, no system",
    "no system, as serde says it": "none, no system",
    "the person first, by place": "strict",
    "the person last, by role": "none, user last",
}


@pytest.mark.parametrize("name", STEPS)
async def test_the_messages_are_changed_no_more_than_they_must(
    server: ModelServer, connections: HttpPool, name: str
) -> None:
    server.will(template(*TEMPLATES[name]))
    messages = (*CONVERSATION[:1], *CONVERSATION[3:5], Message("assistant", "So"))
    heard = await listen(openai(server, connections), ModelRequest(messages))
    assert (heard.text, heard.last.shape, len(server.seen)) == (SAID, STEPS[name], 2)


async def test_a_message_with_nothing_in_it_is_not_sent(server: ModelServer, connections: HttpPool) -> None:
    server.will(
        template(lambda _, messages: all(one["content"] for one in messages), "content must be non-empty")
    )
    messages = (Message("system", ""), *CONVERSATION[3:5], Message("assistant", " \n"))
    assert (await listen(openai(server, connections), ModelRequest(messages))).text == SAID
    assert sent(server.seen[0]) == [("assistant", "You came."), ("user", "I did.")]
    assert (await listen(openai(server, connections), ModelRequest((Message("user", ""),)))).code
    assert len(server.seen[-1].body["messages"]) == 1


async def test_what_was_learnt_outlives_the_program(server: ModelServer, tmp_path: Any) -> None:
    judge, words, status = TEMPLATES["no system"]
    server.will(template(judge, words, status))
    file = tmp_path / "data" / "learnt.json"
    for calls in (2, 3):
        shared = HttpPool(learnt=file)
        assert (await listen(openai(server, shared), REQUEST)).text == SAID
        assert len(server.seen) == calls
        await shared.aclose()
    shared = HttpPool(learnt=file)
    assert (await openai(server, shared).test()).sample == SAID
    await shared.aclose()
    assert "no system" not in file.read_text()
    for broken in ("", "[]", '{"x": 1}', '{"http://h/v1 m": {"when": 1, "post_process": 5}}', "\x00"):
        file.write_text(broken)
        shared = HttpPool(learnt=file)
        assert (await listen(openai(server, shared), REQUEST)).text == SAID
        await shared.aclose()


async def test_a_template_that_takes_nothing_is_told_and_not_remembered(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(template(lambda *_: False, "{{ long }} " * 60 + "Jinja Exception: the REASON is here", 500))
    heard = await listen(openai(server, connections), REQUEST)
    assert heard.code == "MODEL_TEMPLATE" and heard.text == ""
    assert heard.error is not None and "the REASON is here" in heard.error.message
    assert connections.knowledge.of(f"{server.url}/v1", "m").as_json() == {}


async def test_none_is_obeyed(server: ModelServer, connections: HttpPool) -> None:
    judge, words, status = TEMPLATES["no system"]
    server.will(template(judge, words, status))
    heard = await listen(openai(server, connections, post_process="none"), REQUEST)
    assert heard.code == "MODEL_REFUSED" and len(server.seen) == 1


async def test_gemma_has_no_instruction_of_its_own(server: ModelServer, connections: HttpPool) -> None:
    async def answer(request: web.Request, seen: Seen) -> web.StreamResponse:
        if "systemInstruction" in seen.body:
            words = "Developer instruction is not enabled for models/gemma-3-27b-it"
            failure = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": words}}
            return await document(failure, 400)(request, seen)
        return await raw(event(part(SAID, "STOP")))(request, seen)

    server.will(answer)
    heard = await listen(gemini(server, connections), REQUEST)
    assert heard.text == SAID and heard.last.shape == "none, no system"
    assert "Be the keeper." in server.seen[-1].body["contents"][0]["parts"][0]["text"]


async def test_gemini_wants_the_person_first(server: ModelServer, connections: HttpPool) -> None:
    async def answer(request: web.Request, seen: Seen) -> web.StreamResponse:
        if seen.body["contents"][0]["role"] != "user":
            words = "Please ensure that multiturn requests alternate between user and model."
            return await document({"error": {"code": 400, "message": words}}, 400)(request, seen)
        return await raw(event(part(SAID, "STOP")))(request, seen)

    server.will(answer)
    assert (await listen(gemini(server, connections), REQUEST)).text == SAID


# -- without streaming ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "param"),
    [
        ("Your organization must be verified to stream this model.", "stream"),
        ("Streaming is not supported for this model", None),
        ("This deployment does not support streaming.", None),
        ("unsupported_value", "stream"),
    ],
)
async def test_a_server_that_does_not_stream_is_asked_for_the_whole(
    server: ModelServer, connections: HttpPool, words: str, param: str | None
) -> None:
    refusal = {"error": {"message": words, "type": "invalid_request_error", "param": param}}
    server.will(document(refusal, 400), document(whole(SAID)))
    for calls in (2, 3):
        heard = await listen(openai(server, connections))
        assert (heard.text, heard.last.finish, len(server.seen)) == (SAID, "stop", calls)
    assert [seen.body["stream"] for seen in server.seen] == [True, False, False]
    assert "stream_options" not in server.seen[-1].body


async def test_streaming_can_be_switched_off(server: ModelServer, connections: HttpPool) -> None:
    server.will(document(whole(SAID)), document(part(SAID, "STOP")))
    assert (await listen(openai(server, connections, stream=False))).text == SAID
    assert (await listen(gemini(server, connections, stream=False))).text == SAID
    assert server.seen[0].body["stream"] is False
    assert server.seen[1].path.endswith(":generateContent") and not server.seen[1].query


async def test_the_wait_is_a_setting_of_the_model(server: ModelServer) -> None:
    patient = pool(first_token=60)
    server.will(raw(b": alive\n\n", then="hang"))
    heard = await listen(openai(server, patient, timeout=0.3))
    assert heard.code == "MODEL_TIMEOUT" and heard.error is not None and heard.error.params["seconds"] == 0.3
    await patient.aclose()


async def test_a_reason_beside_text_does_not_end_the_reply(
    server: ModelServer, connections: HttpPool
) -> None:
    async def answer(request: web.Request, seen: Seen) -> web.StreamResponse:
        import asyncio

        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(chunk("The rain ", "stop"))
        await asyncio.sleep(1.2)
        await response.write(chunk("has stopped.", "stop") + DONE)
        return response

    server.will(answer)
    heard = await listen(openai(server, connections))
    assert (heard.text, heard.last.finish) == (SAID, "stop")


async def test_marks_of_ones_own(server: ModelServer, connections: HttpPool) -> None:
    server.will(raw(*said(f"<<{THOUGHT}>>{SAID}")))
    heard = await listen(openai(server, connections, thinking_marks=("<<", ">>")))
    assert (heard.text, heard.thinking) == (SAID, THOUGHT)


REFUSED_FIELDS: list[tuple[str, str]] = [
    ("top_k", "parameter top_k is invalid for this model"),
    ("top_k", "invalid parameter: top_k"),
    ("top_k", "top_k is not a valid parameter"),
    ("top_k", "This model doesn't accept top_k"),
    ("top_k", "top_k cannot be used with this model"),
    ("top_k", "top_k is not available for this model"),
    ("top_k", "不支持参数 top_k"),
    ("temperature", "`temperature` is deprecated for this model."),
    ("temperature", "invalid temperature: only 1 is allowed for this model"),
    ("top_p", "`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
    ("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled."),
]


@pytest.mark.parametrize(("name", "words"), REFUSED_FIELDS)
async def test_a_refused_field_is_done_without_and_only_that(
    server: ModelServer, connections: HttpPool, name: str, words: str
) -> None:
    from lunalux_core.llm.model import Sampling

    server.will(document({"error": {"message": words}}, 400), raw(*said()))
    request = ModelRequest((Message("user", "Hello"),), Sampling(temperature=0.7, top_p=0.9, top_k=40))
    assert (await listen(openai(server, connections), request)).text == SAID
    first, second = (seen.body for seen in server.seen)
    assert set(first) - set(second) == {name}


@pytest.mark.parametrize(
    ("words", "left", "most"),
    [
        ('Seed is not supported: unknown name "seed"', "seed", 1024),
        ("Unable to submit request: topP is not supported by this model", "topP", 1024),
        (
            "Unable to submit request because it has a maxOutputTokens value of 1024 but the supported "
            "range is from 1 (inclusive) to 513 (exclusive). Update the value and try again.",
            "",
            512,
        ),
    ],
)
async def test_what_gemini_refuses_is_done_without(
    server: ModelServer, connections: HttpPool, words: str, left: str, most: int
) -> None:
    from lunalux_core.llm.model import Sampling

    refusal = {"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}
    server.will(document(refusal, 400), raw(event(part(SAID, "STOP"))))
    request = ModelRequest((Message("user", "Hello"),), Sampling(top_p=0.9, seed=5, max_tokens=1024))
    assert (await listen(gemini(server, connections), request)).text == SAID
    first, second = (seen.body["generationConfig"] for seen in server.seen)
    assert set(first) - set(second) == ({left} if left else set())
    assert second["maxOutputTokens"] == most


async def test_a_dropped_configuration_of_gemini_is_no_fault(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(document({"error": {"code": 400, "message": "unknown lamp"}}, 400))
    heard = await listen(gemini(server, connections, drop=("generationConfig",)))
    assert heard.code == "MODEL_REFUSED"


@pytest.mark.parametrize(
    "words",
    [
        "max_tokens is too large: 1024. This model supports at most 512 completion tokens.",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 512]",
        "max_tokens must not exceed 512",
        "The maximum tokens you requested exceeds the model limit of 512. Try again with fewer max_tokens.",
    ],
)
async def test_the_most_tokens_are_learnt_under_either_name(
    server: ModelServer, connections: HttpPool, words: str
) -> None:
    from lunalux_core.llm.model import Sampling

    renamed = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    words = words.replace("max_tokens", "max_completion_tokens")
    server.will(
        *(document({"error": {"message": text}}, 400) for text in (renamed, words)),
        raw(*said()),
    )
    request = ModelRequest((Message("user", "Hello"),), Sampling(max_tokens=1024))
    assert (await listen(openai(server, connections), request)).text == SAID
    assert server.seen[-1].body["max_completion_tokens"] == 512


async def test_more_tokens_than_the_model_takes(server: ModelServer, connections: HttpPool) -> None:
    from lunalux_core.llm.model import Sampling

    words = "max_tokens is too large: 1024. This model supports at most 512 completion tokens."
    server.will(document({"error": {"message": words, "param": "max_tokens"}}, 400), raw(*said()))
    request = ModelRequest((Message("user", "Hello"),), Sampling(max_tokens=1024))
    assert (await listen(openai(server, connections), request)).text == SAID
    assert [seen.body["max_tokens"] for seen in server.seen] == [1024, 512]
