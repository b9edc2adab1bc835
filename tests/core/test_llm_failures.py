"""Every server's way of saying no ends in a code, a sentence and a piece of advice, without the key."""

from __future__ import annotations

import json

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
