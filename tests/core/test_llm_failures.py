"""Every server's way of saying no ends in a code, a sentence and a piece of advice, without the key."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

import pytest

from lunalux_core.llm.servers.reports import read_report
from lunalux_core.llm.servers.server_failures import _OBSTACLES, RETRIABLE, Failures
from lunalux_tui import i18n

KEY = "sk-test-0123456789abcdef"


def refusal(status: int | None, body: object, **headers: str):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Failures("api.example.com", "big-model", KEY).refusal(read_report(raw, status, named))


def google(code: int, status: str, message: str, *details: object) -> object:
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (
            401,
            {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}},
            "MODEL_KEY_REJECTED",
        ),
        (401, b"", "MODEL_KEY_REJECTED"),
        (403, {"detail": "Forbidden"}, "MODEL_KEY_REJECTED"),
        (
            400,
            google(
                400, "INVALID_ARGUMENT", "API key not valid. Please pass one.", {"reason": "API_KEY_INVALID"}
            ),
            "MODEL_KEY_REJECTED",
        ),
        (403, {"error": {"message": "Your input was flagged", "metadata": {}}}, "MODEL_BLOCKED"),
        (
            404,
            {"error": {"message": "The model `big-model` does not exist", "code": "model_not_found"}},
            "MODEL_NOT_AVAILABLE",
        ),
        (404, {"error": "model 'big-model' not found, try pulling it first"}, "MODEL_NOT_AVAILABLE"),
        (
            400,
            {"error": {"message": "big-model is not a valid model ID", "code": 400}},
            "MODEL_NOT_AVAILABLE",
        ),
        (
            404,
            {"error": {"message": "No endpoints found for big-model.", "code": 404}},
            "MODEL_NOT_AVAILABLE",
        ),
        (
            404,
            google(404, "NOT_FOUND", "models/big-model is not found for API version v1beta"),
            "MODEL_NOT_AVAILABLE",
        ),
        (
            400,
            {
                "error": {
                    "message": "This model's maximum context length is 8192 tokens.",
                    "code": "context_length_exceeded",
                }
            },
            "CONTEXT_TOO_LONG",
        ),
        (
            400,
            {
                "error": {
                    "code": 400,
                    "message": "the request exceeds the available context size",
                    "type": "exceed_context_size_error",
                }
            },
            "CONTEXT_TOO_LONG",
        ),
        (500, {"error": "input length exceeds context window of 4096"}, "CONTEXT_TOO_LONG"),
        (
            400,
            google(
                400,
                "INVALID_ARGUMENT",
                "The input token count (1200000) exceeds the maximum number of tokens allowed",
            ),
            "CONTEXT_TOO_LONG",
        ),
        (413, b"<html><title>413 Request Entity Too Large</title></html>", "CONTEXT_TOO_LONG"),
        (
            429,
            {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}},
            "MODEL_RATE_LIMITED",
        ),
        (
            429,
            {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
            "MODEL_QUOTA",
        ),
        (402, {"error": {"message": "Insufficient Balance"}}, "MODEL_QUOTA"),
        (402, {"error": {"message": "This request requires more credits"}}, "MODEL_QUOTA"),
        (
            429,
            google(
                429,
                "RESOURCE_EXHAUSTED",
                "You exceeded your current quota",
                {"violations": [{"quotaId": "GenerateRequestsPerDay"}]},
            ),
            "MODEL_QUOTA",
        ),
        (
            500,
            {"error": {"message": "The server had an error", "type": "server_error"}},
            "MODEL_SERVER_ERROR",
        ),
        (502, b"<html><head><title>502 Bad Gateway</title></head></html>", "MODEL_SERVER_ERROR"),
        (503, google(503, "UNAVAILABLE", "The model is overloaded."), "MODEL_SERVER_ERROR"),
        (None, {"error": {"message": "upstream overloaded", "code": 529}}, "MODEL_SERVER_ERROR"),
        (
            400,
            {
                "error": {
                    "message": "Your request was rejected by content management policy",
                    "code": "content_filter",
                }
            },
            "MODEL_BLOCKED",
        ),
        (400, {"error": {"message": "temperature must be at most 2"}}, "MODEL_REFUSED"),
        (
            422,
            {"detail": [{"loc": ["body", "top_k"], "msg": "value is not a valid integer"}]},
            "MODEL_REFUSED",
        ),
        (418, b"plain text", "MODEL_REFUSED"),
    ],
)
def test_recognises_the_usual_bodies(status: int | None, body: object, code: str) -> None:
    error = refusal(status, body)
    assert error.code == code
    assert error.message and error.hint
    assert (code in RETRIABLE) == (code in {"MODEL_RATE_LIMITED", "MODEL_SERVER_ERROR"})


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        (400, "Content Exists Risk", "MODEL_BLOCKED"),
        (400, {"code": "data_inspection_failed", "message": "Input data may be wrong."}, "MODEL_BLOCKED"),
        (
            400,
            {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"},
            "MODEL_BLOCKED",
        ),
        (403, "Content violates usage guidelines. Failed check: SAFETY", "MODEL_BLOCKED"),
        (451, "Your prompt contains sensitive words", "MODEL_BLOCKED"),
        (451, "", "MODEL_REGION"),
        (403, "Sorry, your account balance is insufficient", "MODEL_QUOTA"),
        (403, "Your newly created team doesn't have any credits yet.", "MODEL_QUOTA"),
        (403, "Access denied: overdue balance", "MODEL_QUOTA"),
        (403, "Key limit exceeded (total limit). Manage it in the settings", "MODEL_QUOTA"),
        (
            400,
            {"code": "Arrearage", "message": "Access denied, is your account in good standing?"},
            "MODEL_QUOTA",
        ),
        (400, "You have reached your specified API usage limits.", "MODEL_QUOTA"),
        (429, "You have exceeded your monthly included credits", "MODEL_QUOTA"),
        (429, "您的账户已欠费，请充值后重试。", "MODEL_QUOTA"),
        (
            400,
            "The model `big-model` has been decommissioned and is no longer supported.",
            "MODEL_NOT_AVAILABLE",
        ),
        (410, "big-model: deprecated", "MODEL_NOT_AVAILABLE"),
        (400, "The model `big-model` has been deprecated, see the list.", "MODEL_NOT_AVAILABLE"),
        (424, "Model is loading", "MODEL_SERVER_ERROR"),
        (409, "Engine is busy", "MODEL_SERVER_ERROR"),
        (498, "Flex tier capacity exceeded", "MODEL_SERVER_ERROR"),
        # What only sounds alike.
        (400, "`temperature` is deprecated for this model.", "MODEL_REFUSED"),
        (
            429,
            "Rate limit exceeded: free-models-per-min. Add 10 credits to unlock more",
            "MODEL_RATE_LIMITED",
        ),
        (401, "This key has no access to the included models", "MODEL_KEY_REJECTED"),
    ],
)
def test_the_words_tell_what_the_status_does_not(status: int, words: Any, code: str) -> None:
    body = {"message": words} if isinstance(words, str) else words
    assert refusal(status, {"error": body}).code == code


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'\xef\xbb\xbf{"error": {"message": "The bird has flown"}}', "The bird has flown"),
        (b'event: error\ndata: {"error": {"message": "not loaded"}}\n\n', "not loaded"),
        (
            {"error": {"message": json.dumps({"error": {"message": "Deep words"}}), "type": "up"}},
            "Deep words",
        ),
        ({"message": json.dumps({"message": "Deep words"})}, "Deep words"),
        ({}, ""),
        (b"null", ""),
        (b"[]", ""),
        (b'""', ""),
        ({"error": {"message": None, "type": None, "code": None}}, ""),
        ({"error": {"message": "", "details": []}}, ""),
        ({"Message": "User is not authorized"}, "User is not authorized"),
        ({"fault": {"faultstring": "Bad words", "detail": {"errorcode": "x.y"}}}, "Bad words"),
        (
            b'<?xml version="1.0"?><Error><Code>NoSuchThing</Code><Message>Gone &amp; lost</Message></Error>',
            "Gone & lost",
        ),
        (
            {"error": "invalid_token", "error_description": "It expired yesterday"},
            "invalid_token: It expired yesterday",
        ),
        (
            {
                "message": ["temperature must be a number", "top_p is odd"],
                "error": "Bad Request",
                "statusCode": 400,
            },
            "Bad Request: temperature must be a number; top_p is odd",
        ),
        (
            {"errors": {"messages": ["It is required."], "stop": ["too many"]}, "title": "Two faults."},
            "Two faults: messages: It is required.; stop: too many",
        ),
        ({"message": "Invalid", "errors": [{"message": "bad stop"}]}, "Invalid: bad stop"),
        ({"error": "Engine failed", "message": "Engine failed"}, "Engine failed"),
        ({"strange": {"form": 3}}, '{"strange": {"form": 3}}'),
    ],
)
def test_the_sentence_is_found_in_every_shape(body: object, said: str) -> None:
    assert refusal(400, body).params["detail"] == said


def test_code_words_count_on_every_level() -> None:
    body = {"error": {"message": json.dumps({"error": {"message": "No.", "code": "insufficient_quota"}})}}
    assert refusal(400, body).code == "MODEL_QUOTA"
    assert refusal(None, {"code": 429, "error": {"message": "Wait."}}).code == "MODEL_RATE_LIMITED"


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Limit 6000, Used 5970. Please try again in 17.66s. Visit https://x.y", 17.66),
        ("Please try again in 1m30.5s.", 90.5),
        ("Please retry after 20 seconds.", 20),
        ("try again in 250ms", 0.25),
        ("请在 30 秒后再试", 30),
        ("Try again with at most 300 tokens", None),
        ("Limit 20 per 60 s", None),
    ],
)
def test_a_wait_is_read_from_a_sentence(words: str, seconds: float | None) -> None:
    assert refusal(429, {"error": {"message": words}}).params["seconds"] == seconds


def test_a_date_without_the_server_s_clock_is_measured_by_ours() -> None:
    error = refusal(429, {}, retry_after=formatdate(time.time() + 45, usegmt=True))
    assert error.params["seconds"] in {43, 44, 45}


def test_a_busy_server_says_when_to_come_back() -> None:
    i18n.use("zh")
    error = refusal(503, {"error": "busy"}, retry_after="3")
    assert (error.code, error.params["seconds"], error.hint) == (
        "MODEL_SERVER_ERROR",
        3,
        "Try again in 3 seconds.",
    )
    assert i18n.tell(error) == ("api.example.com 内部出错：busy", "请在 3 秒后再试。")
    assert "seconds" not in refusal(503, {"error": "busy"}).params


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry_after": "7"}, {}, 7),
        ({"retry_after": "1.5"}, {}, 1.5),
        ({"retry_after_ms": "250"}, {}, 0.25),
        (
            {"retry_after": "Mon, 02 Jan 2023 10:00:30 GMT", "date": "Mon, 02 Jan 2023 10:00:00 GMT"},
            {},
            30,
        ),
        ({}, google(429, "RESOURCE_EXHAUSTED", "slow", {"retryDelay": "34s"}), 34),
        ({"retry_after": "soon"}, {}, None),
        ({}, {}, None),
    ],
)
def test_the_wait_is_a_parameter(headers: dict[str, str], body: object, seconds: float | None) -> None:
    error = refusal(429, body, **headers)
    assert error.params["seconds"] == seconds
    if seconds:
        assert f"{seconds:g}" in error.hint


@pytest.mark.parametrize("said", ["", "free models per minute"])
@pytest.mark.parametrize(("seconds", "told"), [("30", "请在 30 秒后再试。"), ("1.5", "请在 1.5 秒后再试。")])
def test_chinese_tells_the_wait_as_well(said: str, seconds: str, told: str) -> None:
    i18n.use("zh")
    message, hint = i18n.tell(
        refusal(429, {"error": {"message": said}} if said else b"", retry_after=seconds)
    )
    assert hint == told and message.endswith(said or "。")


@pytest.mark.parametrize("kind", _OBSTACLES)
def test_what_stands_in_the_way_is_told_in_chinese_for_each_kind(kind: str) -> None:
    i18n.use("zh")
    failures = Failures("api.example.com", "big-model")
    told, plain = i18n.tell(failures.unreachable("", kind, "NAME")), i18n.tell(failures.unreachable(""))
    assert (told != plain) is bool(kind)
    assert told[0] != _OBSTACLES[kind][0].format(server="api.example.com", name="NAME")


def test_chinese_says_what_the_servers_words_were_found_in() -> None:
    i18n.use("zh")
    page = refusal(502, b"<html><head><title>Bad gateway</title></head></html>")
    assert "内部出错：一个网页，Bad gateway" in i18n.tell(page)[0]
    blocked = Failures("api.example.com", "big-model").blocked("the prompt, SAFETY")
    assert i18n.tell(blocked)[0].endswith("：提示词，SAFETY")
    # What a server says itself is never put into other words, whatever it is like.
    assert i18n.tell(refusal(500, {"error": "a web server and 2 more"}))[0].endswith(
        "a web server and 2 more"
    )


@pytest.mark.parametrize(
    "echo",
    [
        f"Incorrect API key provided: {KEY}.",
        "Incorrect API key provided: sk-test-****cdef.",
        "bad header Bearer abc.def-ghi",
        "key AIzaSyA1234567890 is not allowed",
    ],
)
def test_an_echoed_key_is_not_repeated(echo: str) -> None:
    error = refusal(401, {"error": {"message": echo}})
    shown = f"{error.message} {error.hint} {error.params}"
    for secret in (KEY, "cdef", "abc.def", "AIzaSyA"):
        assert secret not in shown
    assert "[key]" in error.message


def test_the_servers_words_are_cleaned_and_cut() -> None:
    error = refusal(500, {"error": {"message": "\x1b]0;title\x07 two\nlines " + "long " * 100}})
    detail = str(error.params["detail"])
    assert len(detail) <= 200
    assert detail.isprintable() and "title" not in detail and "\n" not in error.message


def test_the_key_is_not_in_a_representation() -> None:
    assert KEY not in repr(Failures("host", "model", KEY))
