"""Every declared parameter reaches the wire under its documented name, or is named as not taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from llm_server import ModelServer, document, event, listen, raw, stream

from lunalux_core.config.config_file import save_model
from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import SavedModel, declaration, load_settings
from lunalux_core.errors import InvalidInput
from lunalux_core.llm.additions import extra_body_of, headers_of, price_of
from lunalux_core.llm.model import (
    CompletionText,
    Message,
    ModelOptions,
    ModelRequest,
    ModelSpec,
    Usage,
)
from lunalux_core.llm.model_prices import Prices, cost_of
from lunalux_core.llm.model_registry import Registry, saved_specs
from lunalux_core.llm.parameters import KINDS, PARAMETERS, ServerKind, checked_value, kind_of, sampling_of
from lunalux_core.llm.servers.openai import OpenAIModel
from lunalux_core.llm.servers.pool import HttpPool
from lunalux_core.llm.servers.request_fields import request_fields, shown_headers

VALUES: Mapping[str, Any] = {
    "dry_sequence_breakers": ["\n", ":"],
    "sampler_order": [0, 2, 5],
    "stop": ["###"],
    "banned_strings": ["42", "43"],
    "logit_bias": {"50256": -100},
    "grammar": 'root ::= "a"',
    "json_schema": {"type": "object"},
    "reasoning_effort": "high",
    "verbosity": "low",
    "show_thoughts": False,
    "dynatemp_low": 0.5,
    "dynatemp_high": 1.5,
}
"""A value for each parameter that is no plain number."""
MISSING = object()


def value_of(name: str) -> Any:
    known = PARAMETERS[name]
    return checked_value(name, VALUES.get(name, 1 if known.value == "whole" else 0.5))


def at(body: Mapping[str, Any], path: str) -> Any:
    found: Any = body
    for one in path.split("."):
        found = found.get(one, MISSING) if isinstance(found, Mapping) else MISSING
    return found


def opened(kind: str, connections: HttpPool, url: str = "", **spec: Any) -> Any:
    provider, home = kind, url
    if kind == "generic":
        provider, home = "openai", url or "http://127.0.0.1:9/v1"
    config = SavedModel("mine", provider, "big-model", home, **spec)  # type: ignore[arg-type]
    (made,) = saved_specs([config])
    return Registry([made], key=lambda _: "sk-secret-0123456789", pool=connections).open(made)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "anthropic"])
async def test_a_parameter_reaches_the_wire_or_is_named(kind: ServerKind, connections: HttpPool) -> None:
    for name, known in PARAMETERS.items():
        both = {"dynatemp_low": 0.5, "dynatemp_high": 1.5} if name.startswith("dynatemp_") else {}
        values = {name: value_of(name), **both}
        model = opened(kind, connections, sampling=values)
        body = model.call_of(ModelRequest((Message("user", "Hi"),))).body
        left = request_fields(kind, sampling_of(values)).untaken
        if kind in known.wire:
            assert at(body, known.wire[kind]) is not MISSING, (kind, name)
            assert name not in left
        else:
            assert left[name] == "kind"
            assert f'"{name}"' not in json.dumps(body), (kind, name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_parameter_says_for_every_kind_whether_it_is_taken(kind: ServerKind) -> None:
    everything = sampling_of({name: value_of(name) for name in PARAMETERS})
    made = request_fields(kind, everything)
    assert set(made.untaken) == {name for name, one in PARAMETERS.items() if kind not in one.wire}
    json.dumps(made.body, allow_nan=False)


@pytest.mark.parametrize(
    ("kind", "values", "field", "sent"),
    [
        ("openai", {"stop": list("abcdef")}, "stop", list("abcd")),
        ("gemini", {"stop": ["x"]}, "generationConfig.stopSequences", ["x"]),
        ("llamacpp", {"logit_bias": {"15": 2, "moon": False}}, "logit_bias", [[15, 2], ["moon", False]]),
        ("llamacpp", {"dynatemp_low": 0.5, "dynatemp_high": 1.5}, "dynatemp_range", 0.5),
        ("llamacpp", {"sampler_order": [0, 2, 5]}, "samplers", ["top_k", "top_p", "temperature"]),
        ("koboldcpp", {"repeat_penalty": 1.1}, "rep_pen", 1.1),
        ("tabby", {"dynatemp_low": 0.5}, "min_temp", 0.5),
        ("textgen", {"banned_strings": ["4", "5"]}, "custom_token_bans", "4,5"),
        ("textgen", {"dry_sequence_breakers": ["\n"]}, "dry_sequence_breakers", '["\\n"]'),
        ("openrouter", {"show_thoughts": False}, "reasoning.exclude", True),
        ("openrouter", {"reasoning_effort": "high"}, "reasoning.effort", "high"),
        ("ollama", {"top_k": 7}, "options.top_k", 7),
        ("mistral", {"seed": 3}, "random_seed", 3),
        ("anthropic", {"stop": ["x"]}, "stop_sequences", ["x"]),
        ("openai", {"reasoning_effort": "auto"}, "reasoning_effort", MISSING),
        ("openai", {"seed": -1}, "seed", MISSING),
    ],
)
def test_values_take_the_form_of_their_server(
    kind: ServerKind, values: dict[str, Any], field: str, sent: Any
) -> None:
    made = request_fields(kind, sampling_of(values))
    assert at(made.body, field) == sent
    assert ("stop" in made.untaken) == (len(values.get("stop", ())) > 4)


def test_a_server_is_known_by_its_provider_or_its_host() -> None:
    assert kind_of("openai", "") == "openai" == kind_of("openai", "https://api.openai.com/v1")
    assert kind_of("openai", "https://openrouter.ai/api/v1") == "openrouter"
    assert kind_of("openai", "http://127.0.0.1:8080/v1") == "generic"
    assert kind_of("tabby", "http://127.0.0.1:9/v1") == "tabby"


async def test_what_a_person_adds_is_sent_last_and_what_they_drop_never(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(stream("Hi"))
    options = ModelOptions(
        extra_body={"top_p": 0.1, "provider": {"order": ["a"]}},
        drop=("stream_options", "provider.order"),
        headers={"X-Title": "Moon", "Authorization": "Token own"},
    )
    model = opened("generic", connections, f"{server.url}/v1", sampling={"top_p": 0.9}, options=options)
    assert (await listen(model)).text == "Hi"
    seen = server.seen[0]
    assert seen.body["top_p"] == 0.1 and seen.body["provider"] == {} and "stream_options" not in seen.body
    assert (seen.headers["x-title"], seen.headers["authorization"]) == ("Moon", "Token own")


async def test_a_refused_field_of_the_extra_body_is_told_not_tried_again(
    server: ModelServer, connections: HttpPool
) -> None:
    server.will(document({"error": {"message": "Unknown field: min_p is not supported"}}, 400))
    options = ModelOptions(extra_body={"min_p": 0.1})
    heard = await listen(opened("generic", connections, f"{server.url}/v1", options=options))
    assert (heard.code, len(server.seen)) == ("MODEL_REFUSED", 1)


async def test_ollama_is_asked_in_its_own_protocol_with_the_window(
    server: ModelServer, connections: HttpPool
) -> None:
    lines = (
        {"message": {"role": "assistant", "content": "", "thinking": "Hm."}, "done": False},
        {"message": {"role": "assistant", "content": "Hi"}, "done": False},
        {
            "message": {"content": ""},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 9,
            "eval_count": 4,
        },
    )
    body = b"".join(json.dumps(one).encode() + b"\n" for one in lines)
    server.will(raw(body, content_type="application/x-ndjson"))
    sampling = {"min_p": 0.05, "max_tokens": 7, "reasoning_effort": "none"}
    model = opened("ollama", connections, f"{server.url}/v1", sampling=sampling, context_tokens=16000)
    heard = await listen(model)
    assert (heard.text, heard.thinking, heard.last.finish) == ("Hi", "Hm.", "stop")
    assert heard.last.usage == Usage(9, 4)
    seen = server.seen[0]
    assert seen.path == "/api/chat" and seen.body["think"] is False
    assert seen.body["options"] == {"num_ctx": 16000, "min_p": 0.05, "num_predict": 7}


async def test_a_text_request_uses_the_names_of_its_own_protocol(connections: HttpPool) -> None:
    request = ModelRequest((Message("user", "x"),), completion=CompletionText("Once", ("END",)))
    sampling = {"max_tokens": 5, "seed": 4, "repeat_penalty": 1.2, "stop": ["own"]}
    kobold = opened("koboldcpp", connections, mode="text", sampling=sampling).call_of(request)
    assert kobold.url.endswith("/api/extra/generate/stream")
    assert kobold.body["max_length"] == 5 and kobold.body["sampler_seed"] == 4
    assert kobold.body["rep_pen"] == 1.2 and kobold.body["stop_sequence"] == ["END", "own"]
    llama = opened("llamacpp", connections, mode="text", sampling=sampling).call_of(request)
    assert llama.body["n_predict"] == 5 and llama.body["repeat_penalty"] == 1.2


@pytest.mark.parametrize(
    ("usage", "cached", "thought", "prompt"),
    [
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 8,
                "prompt_tokens_details": {"cached_tokens": 6},
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            6,
            5,
            10,
        ),
        ({"prompt_tokens": 10, "completion_tokens": 8, "prompt_cache_hit_tokens": 4}, 4, 0, 10),
        ({"input_tokens": 3, "output_tokens": 8, "cache_read_input_tokens": 7}, 7, 0, 10),
        ({"prompt_tokens": 10, "completion_tokens": 8, "prompt_tokens_details": None}, 0, 0, 10),
    ],
)
async def test_cached_and_thought_tokens_of_every_provider(
    server: ModelServer, connections: HttpPool, usage: dict[str, Any], cached: int, thought: int, prompt: int
) -> None:
    server.will(
        raw(event({"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}], "usage": usage}))
    )
    heard = await listen(OpenAIModel(ModelSpec("x", "openai", "m", server.url), "", connections))
    assert heard.last.usage == Usage(prompt, 8, cached_tokens=cached, thinking_tokens=thought)


def test_a_persons_own_prices_win_then_the_servers_word_then_a_list() -> None:
    usage = Usage(1_000_000, 200_000, cached_tokens=400_000)
    own, listed = Prices(3, 0.5, 15, "person"), Prices(1, 1, 1, "list")
    assert cost_of(usage, own) == {"amount": 5.0, "currency": "USD", "source": "person"}
    assert cost_of(usage, listed) == {"amount": 1.2, "currency": "USD", "source": "list"}
    assert cost_of(usage, None) is None
    told = replace(usage, cost=0.25)
    assert cost_of(told, listed) == {"amount": 0.25, "currency": "USD", "source": "server"}
    assert cost_of(told, own) == cost_of(usage, own)


def test_keys_in_headers_are_never_shown() -> None:
    shown = shown_headers({"Authorization": "Bearer x", "x-goog-api-key": "x", "X-Title": "x"})
    assert shown == {"Authorization": "***", "x-goog-api-key": "***", "X-Title": "x"}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("temperature", "9", "PARAMETER_INVALID"),
        ("temperature", "nan", "PARAMETER_INVALID"),
        ("top_k", "1.5", "PARAMETER_INVALID"),
        ("logit_bias", '{"a": 200}', "PARAMETER_INVALID"),
        ("reasoning_effort", "huge", "PARAMETER_INVALID"),
        ("json_schema", "[]", "PARAMETER_INVALID"),
        ("stop", "", "PARAMETER_INVALID"),
        ("min_q", "1", "PARAMETER_UNKNOWN"),
    ],
)
def test_a_value_that_is_not_allowed_is_told_with_what_is(name: str, value: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_value(name, value)
    assert caught.value.code == code and "\n" not in caught.value.message


def test_a_temperature_that_the_settings_allow_is_one_that_a_request_allows() -> None:
    setting, parameter = declaration("chat.temperature"), PARAMETERS["temperature"]
    assert (setting.low, setting.high) == (parameter.low, parameter.high)


@pytest.mark.parametrize(
    ("read", "value", "code"),
    [
        (extra_body_of, "[1]", "EXTRA_BODY_INVALID"),
        (extra_body_of, "{", "EXTRA_BODY_INVALID"),
        (extra_body_of, "[" * 100_000, "EXTRA_BODY_INVALID"),
        (headers_of, ["X-A: b\r\nX-C: d"], "HEADER_INVALID"),
        (headers_of, ["no colon"], "HEADER_INVALID"),
        (headers_of, {"X A": "b"}, "HEADER_INVALID"),
        (price_of, "1,2", "PRICE_INVALID"),
        (price_of, "1,two,3", "PRICE_INVALID"),
        (price_of, [1, float("nan"), 3], "PRICE_INVALID"),
    ],
)
def test_what_cannot_be_added_to_a_request_is_refused(read: Any, value: Any, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(value)
    assert caught.value.code == code


def test_a_saved_model_keeps_everything_and_a_wrong_line_is_told_with_its_place(paths: Paths) -> None:
    options = ModelOptions(
        extra_body={"a": {"b": None}}, drop=("x", "y.z"), headers={"X-Title": "m"}, price=(1.0, 0.1, 2.0)
    )
    sampling = {name: value_of(name) for name in PARAMETERS}
    config = SavedModel("m", "tabby", "m", "http://127.0.0.1:1/v1", sampling=sampling, options=options)
    save_model(paths.config_file, config)
    settings = load_settings(paths)
    assert (settings.models["m"], settings.problems) == (config, ())
    with paths.config_file.open("a") as file:
        file.write('\n[models.n]\nprovider = "openai"\nmodel = "m"\nprice = [1, "x", 2]\n')
        file.write("[models.n.sampling]\ntop_p = 0.5\nmin_p = 7\nmystery = 1\n")
    read = load_settings(paths)
    codes = [problem.code for problem in read.problems]
    assert codes == ["PARAMETER_INVALID", "PARAMETER_UNKNOWN", "SETTING_INVALID"]
    assert read.models["n"].sampling == {"top_p": 0.5}
    assert "min_p" in read.problems[0].message and "line" in read.problems[0].message
