"""What a refusal takes away from a call: what it complains of, and nothing that it only mentions."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web
from llm_server import Answer, ModelServer, Seen, document, listen, raw, stream

from lunalux_core.llm.model import (
    CompletionText,
    Message,
    ModelOptions,
    ModelRequest,
    ModelSpec,
    Provider,
    Sampling,
)
from lunalux_core.llm.servers.openai import OpenAIModel
from lunalux_core.llm.servers.pool import HttpPool
from lunalux_core.llm.servers.refused_fields import FieldRefusal
from lunalux_core.llm.servers.reports import read_report
from lunalux_core.llm.servers.server_failures import Failures
from lunalux_core.llm.servers.text_completion import TextCompletionModel

SAID = "The rain has stopped."
KNOWN = ("model", "messages", "prompt", "temperature", "top_p", "max_tokens", "stop", "stream")
SAMPLING = Sampling(temperature=0.7, top_p=0.9, top_k=40, max_tokens=300, stop=("END",))


def model(
    server: ModelServer, connections: HttpPool, provider: Provider = "openai", **options: Any
) -> OpenAIModel:
    spec = ModelSpec("x", provider, "m", f"{server.url}/v1", options=ModelOptions(**options))
    return OpenAIModel(spec, "k", connections)


def text_model(server: ModelServer, connections: HttpPool) -> TextCompletionModel:
    return TextCompletionModel(ModelSpec("x", "openai", "m", f"{server.url}/v1"), "k", connections)


def asked(sampling: Sampling = SAMPLING, choices: int = 1) -> ModelRequest:
    return ModelRequest((Message("user", "Hello"),), sampling, choices=choices)


def strict(words: Callable[[str, Any], Any], known: tuple[str, ...] = KNOWN, status: int = 400) -> Answer:
    """A server that takes only the fields it knows, and refuses one at a time in these words."""

    async def answer(request: web.Request, seen: Seen) -> web.StreamResponse:
        foreign = [name for name in seen.body or {} if name not in known] if seen.method == "POST" else []
        if foreign:
            said = words(foreign[0], seen.body)
            if isinstance(said, str):
                return web.Response(text=said, status=status)
            return web.json_response(said, status=status)
        return await stream(SAID)(request, seen)

    return answer


def error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None}}


LISTED = ", ".join(KNOWN)
TICKED = ", ".join(f"`{name}`" for name in KNOWN)
STRICT: dict[str, Callable[[str, Any], Any]] = {
    "a list behind": lambda name, _: error(
        f"Unrecognized request argument: {name}. Supported arguments: {LISTED}."
    ),
    "a list behind, of what is valid": lambda name, _: error(
        f"{name} is not supported. The valid parameters are: {LISTED}"
    ),
    "what alone is taken": lambda name, _: error(f"Unknown parameter {name}: we only accept {LISTED}"),
    "a list before": lambda name, _: error(f"Only {LISTED} are supported; {name} is unknown."),
    "a list that says it all": lambda _, __: error(f"Unsupported parameter. Allowed fields: {LISTED}."),
    "serde": lambda name, _: error(
        "Failed to deserialize the JSON body into the target type: "
        f"unknown field `{name}`, expected one of {TICKED} at line 1 column 99"
    ),
    "serde in plain text": lambda name, _: f"unknown field `{name}`, expected one of {TICKED}",
    "the request repeated": lambda name, body: {
        "detail": [
            {
                "type": "value_error",
                "loc": ["body"],
                "msg": f"Value error, {name} is not supported by this model",
                "input": body,
                "ctx": {"error": {"known": list(KNOWN)}},
            }
        ]
    },
    "the request repeated as Python prints it": lambda name, body: error(
        f"[{{'type': 'value_error', 'loc': ('body',), 'msg': '{name} is not supported', 'input': {body!r}}}]"
    ),
    "the request repeated and cut off": lambda name, body: error(
        f"{name} is not supported: {{'error': {{'input': {body!r}"[:-40]
    ),
    "the place of the field": lambda name, body: {
        "detail": [
            {"type": "extra_forbidden", "loc": ["body", name], "msg": "not permitted beside temperature"}
        ]
    },
    "the parameter alone": lambda name, _: {
        "error": {"message": "Bad request", "code": "unsupported_parameter", "param": name}
    },
    "an event of a stream": lambda name, _: (
        f'event: error\ndata: {{"error": {{"message": "Unsupported parameter: {name}"}}}}\n\n'
    ),
}


@pytest.mark.parametrize("way", STRICT)
async def test_only_what_is_refused_is_left_out(server: ModelServer, connections: HttpPool, way: str) -> None:
    server.will(strict(STRICT[way]))
    heard = await listen(model(server, connections), asked())
    assert (heard.code, heard.text) == ("", SAID)
    last, first = server.seen[-1].body, server.seen[0].body
    assert set(last) == set(first) & set(KNOWN) >= {"temperature", "top_p", "max_tokens", "stop"}
    assert model(server, connections).learnt().refused == set(first) - set(KNOWN)


@pytest.mark.parametrize("way", ["a list behind", "serde", "the request repeated"])
async def test_a_text_loses_no_more(server: ModelServer, connections: HttpPool, way: str) -> None:
    server.will(document({}), document({}), strict(STRICT[way]))
    request = ModelRequest((Message("user", "Hello"),), SAMPLING, completion=CompletionText("Once"))
    assert (await listen(text_model(server, connections), request)).text == SAID
    assert set(server.seen[-1].body) >= {"temperature", "top_p", "max_tokens", "stop"}


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            {"max_completion_tokens"},
        ),
        (
            "unknown field `max_tokens`, expected one of `model`, `max_completion_tokens`",
            {"max_completion_tokens"},
        ),
        ("Unsupported parameter: max_tokens", set[str]()),
        ("unknown field `max_tokens`, expected one of `model`, `messages`", set[str]()),
    ],
)
async def test_the_limit_is_renamed_only_where_the_other_name_is_known(
    server: ModelServer, connections: HttpPool, words: str, sent: set[str]
) -> None:
    server.will(document(error(words), 400), stream(SAID))
    for _ in range(2):
        assert (await listen(model(server, connections), asked())).text == SAID
    for seen in server.seen[1:]:
        assert {name for name in seen.body if name.startswith("max_")} == sent
        assert seen.body["temperature"] == 0.7


async def test_neither_name_of_the_limit_is_sent_where_both_are_refused(
    server: ModelServer, connections: HttpPool
) -> None:
    known = tuple(name for name in KNOWN if name != "max_tokens")
    server.will(
        document(error("Unsupported: 'max_tokens', use 'max_completion_tokens'"), 400),
        strict(STRICT["serde"], known),
    )
    assert (await listen(model(server, connections), asked())).text == SAID
    assert not [name for name in server.seen[-1].body if name.startswith("max_")]


@pytest.mark.parametrize("spelling", ["presencePenalty", "presence_penalty", "presencepenalty"])
async def test_a_field_is_known_in_either_spelling(
    server: ModelServer, connections: HttpPool, spelling: str
) -> None:
    refusal = {"code": "Client specified an invalid argument"}
    words = f"Argument not supported on this model: {spelling}"
    server.will(document({**refusal, "error": words}, 400), stream(SAID))
    sampling = Sampling(temperature=0.5, presence_penalty=0.4, frequency_penalty=0.2)
    assert (await listen(model(server, connections), asked(sampling))).text == SAID
    first, second = (seen.body for seen in server.seen)
    assert set(first) - set(second) == {"presence_penalty"}


@pytest.mark.parametrize(
    ("provider", "field"), [("ollama", "think"), ("openai", "reasoning_effort"), ("openrouter", "reasoning")]
)
async def test_a_model_that_does_not_think_is_asked_without(
    server: ModelServer, connections: HttpPool, provider: Provider, field: str
) -> None:
    words = '"m" does not support thinking'
    server.will(document({"error": words}, 400), stream(SAID))
    sampling = Sampling(temperature=0.5, reasoning_effort="high")
    assert (await listen(model(server, connections, provider), asked(sampling))).text == SAID
    first, second = (seen.body for seen in server.seen)
    assert set(first) - set(second) == {field}


async def test_what_a_value_may_be_takes_no_field_away(server: ModelServer, connections: HttpPool) -> None:
    server.will(document(error("temperature must be between 0 and 1, got 1.4"), 400))
    heard = await listen(model(server, connections), asked(Sampling(temperature=1.4)))
    assert heard.code == "MODEL_REFUSED" and len(server.seen) == 1


async def test_a_list_that_names_streaming_says_nothing_against_it(
    server: ModelServer, connections: HttpPool
) -> None:
    words = "top_k is not supported here. Supported parameters: stream, model"
    server.will(document(error(words), 400), stream(SAID))
    assert (await listen(model(server, connections), asked())).text == SAID
    assert [seen.body["stream"] for seen in server.seen] == [True, True]


# -- stop strings --------------------------------------------------------------------------------------

STOPS = ("A!", "B!", "C!", "D!", "E!")
TOO_MANY = {
    "an array too long": "Invalid 'stop': array too long. Expected an array with maximum length 4.",
    "a maximum": "Invalid stop sequences: maximum of 4 are allowed",
}


def few_stops(words: str, most: int = 4) -> Answer:
    async def answer(request: web.Request, seen: Seen) -> web.StreamResponse:
        if len(seen.body.get("stop", ())) > most:
            return web.json_response(error(words), status=400)
        return await stream("The rain", " has stopped.", " E", "! And", " more.")(request, seen)

    return answer


@pytest.mark.parametrize("way", TOO_MANY)
async def test_stop_strings_that_the_server_does_not_take_are_looked_for_here(
    server: ModelServer, connections: HttpPool, way: str
) -> None:
    server.will(few_stops(TOO_MANY[way]))
    for _ in range(2):
        heard = await listen(model(server, connections), asked(Sampling(stop=STOPS)))
        assert (heard.code, heard.text, heard.last.finish) == ("", SAID + " ", "stop")
        assert heard.last.usage is not None and heard.last.usage.completion_tokens > 0
    assert [len(seen.body["stop"]) for seen in server.seen] == [5, 4, 4]


async def test_a_server_that_takes_fewer_still_is_sent_none(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(few_stops("too many items in stop", most=0))
    heard = await listen(model(server, connections), asked(Sampling(stop=("X!", "E!"))))
    assert heard.text == SAID + " " and "stop" not in server.seen[-1].body


async def test_stop_strings_beyond_a_service_s_limit_count(
    server: ModelServer, connections: HttpPool
) -> None:
    spec = ModelSpec("x", "deepseek", "m", f"{server.url}/v1")
    stops = (*(f"<{number}>" for number in range(16)), "E!")
    server.will(few_stops("", most=16))
    heard = await listen(OpenAIModel(spec, "k", connections), asked(Sampling(stop=stops)))
    assert heard.text == SAID + " " and len(server.seen[-1].body["stop"]) == 16


async def test_the_beginning_of_a_stop_string_alone_is_kept(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(document(error(TOO_MANY["a maximum"]), 400), stream("The rain", " has stopped. E"))
    heard = await listen(model(server, connections), asked(Sampling(stop=STOPS)))
    assert (heard.text, heard.last.finish) == ("The rain has stopped. E", "stop")


async def test_each_of_several_replies_ends_at_its_own_stop_string(
    server: ModelServer, connections: HttpPool
) -> None:
    from llm_server import DONE, event

    def piece(place: int, text: str, finish: str | None = None) -> bytes:
        return event({"choices": [{"index": place, "delta": {"content": text}, "finish_reason": finish}]})

    replies = raw(
        piece(0, "One E! lost"),
        piece(1, "Two "),
        piece(0, " lost", "length"),
        piece(1, "stays", "stop"),
        DONE,
    )
    server.will(document(error(TOO_MANY["a maximum"]), 400), replies)
    texts, ends = ["", ""], ["", ""]
    async for delta in model(server, connections).stream(asked(Sampling(stop=STOPS), choices=2)):
        texts[delta.choice] += delta.text
        ends[delta.choice] = delta.finish or ends[delta.choice]
    assert texts == ["One ", "Two stays"] and ends == ["stop", "stop"]


async def test_a_long_request_that_is_repeated_hides_nothing(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(strict(STRICT["the request repeated as Python prints it"]))
    request = ModelRequest((Message("user", "{ stop temperature } " * 1500),), SAMPLING)
    assert (await listen(model(server, connections), request)).text == SAID
    assert set(server.seen[-1].body) >= {"temperature", "top_p", "stop"}


# -- when to come back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_names_a_wait_is_given_it(
    server: ModelServer, connections: HttpPool, status: int
) -> None:
    server.will(document({"error": "busy"}, status, retry_after="0.7"), stream(SAID))
    begun = time.monotonic()
    assert (await listen(model(server, connections))).text == SAID
    assert time.monotonic() - begun >= 0.7


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("where", ["seconds", "date", "sentence"])
async def test_a_wait_too_long_to_sit_through_is_told_at_once(
    server: ModelServer, connections: HttpPool, status: int, where: str
) -> None:
    headers = {
        "seconds": {"retry_after": "90"},
        "date": {"retry_after": formatdate(time.time() + 90, usegmt=True)},
        "sentence": {},
    }
    words = "Busy. Please try again in 1m30s." if where == "sentence" else "Busy."
    server.will(document({"error": words}, status, **headers[where]), stream(SAID))
    heard = await listen(model(server, connections))
    assert heard.error is not None and 80 < float(str(heard.error.params["seconds"])) <= 90
    assert len(server.seen) == 1


async def test_a_model_that_is_loading_is_asked_again(server: ModelServer, connections: HttpPool) -> None:
    server.will(document({"error": "Model is loading"}, 424), stream(SAID))
    assert (await listen(model(server, connections))).text == SAID


@pytest.mark.parametrize("piece", ["only,", "'messages':{}", "{'messages':", "<message ", "supported a for "])
def test_a_hostile_refusal_is_read_at_once(piece: str) -> None:
    body = (piece * (64_000 // len(piece))).encode()
    begun = time.process_time()
    FieldRefusal.read(body).fields({"top_k", "stop"})
    Failures("h", "m").refusal(read_report(body, 400, {}))
    assert time.process_time() - begun < 0.7
