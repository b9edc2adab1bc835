"""A model's server from the command line: how a reply ended, options of a model, the way to a server."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import threading
import time
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_program import Program

SLOWLY = b"~~"
"""Between two pieces of a reply: they come one after the other."""


class Server:
    """Answers chat completions with the bytes for the model that is asked for; keeps what was asked."""

    def __init__(self) -> None:
        self.replies: dict[str, bytes] = {}
        self.asked: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append({**body, "auth": self.headers.get("Authorization"), "path": self.path})
                if body["model"].startswith("to:"):
                    self.send_response(int(body["model"][3:6]))
                    self.send_header("Location", body["model"][7:])
                    self.end_headers()
                    return
                reply = outer.replies[body["model"]]
                self.send_response(200)
                self.end_headers()
                for piece in reply.split(SLOWLY):
                    self.wfile.write(piece)
                    time.sleep(0.2 if SLOWLY in reply else 0)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def encrypt(self, certificate: Path) -> None:
        """Speak https from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def chunks(*texts: str, finish: str | None = "stop", **delta: str) -> bytes:
    parts: list[dict[str, Any]] = [{"delta": {"content": text}} for text in texts]
    if delta:
        parts.insert(0, {"delta": delta})
    if finish:
        parts.append({"delta": {}, "finish_reason": finish})
    return b"".join(b"data: " + json.dumps({"choices": [part]}).encode() + b"\n\n" for part in parts)


def variables(server: Server) -> dict[str, str]:
    return {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-test-0123456789abcdef", "LUNALUX_LANG": "en"}


@pytest.mark.parametrize(
    ("word", "finish", "told"),
    [
        ("stop", "stop", ""),
        ("length", "length", "token limit"),
        ("content_filter", "filtered", "filter"),
        (None, "cut", "before its end"),
        ("tool_calls", "tool", "tool"),
    ],
)
def test_how_a_reply_ended_is_told_and_kept(
    program: Program, server: Server, ada: str, word: str | None, finish: str, told: str
) -> None:
    server.replies["m"] = chunks("The rain ", "has", finish=word)
    result = program("chat", "Ada", "-m", "x", "--model", "openai:m", "--json", **variables(server))
    assert (result.json["content"], result.json["finish"]) == ("The rain has", finish)
    assert told in result.err and bool(result.err) == bool(told)
    shown = program("conversation", "show", result.json["conversation_id"], "--json").json["messages"][-1]
    assert (shown["finish"], shown["status"]) == (finish, "done")
    plain = program("chat", "Ada", "-m", "x", "--model", "openai:m", **variables(server))
    assert plain.out == "The rain has\n" and told in plain.err


def test_thoughts_with_only_their_closing_mark_are_taken_back(
    program: Program, server: Server, ada: str
) -> None:
    server.replies["m"] = chunks("She is late.", "\n</thi", "nk>\n\nThe rain", " has stopped.")
    result = program("chat", "Ada", "-m", "x", "--model", "openai:m", "--json", **variables(server)).json
    assert (result["content"], result["thinking"]) == ("The rain has stopped.", "She is late.")
    program("chat", "Ada", "-m", "y", "--model", "openai:m", "--json", **variables(server))
    assert "She is late." not in json.dumps(server.asked[-1]["messages"])
    server.replies["m"] = (
        chunks("She is late.", finish=None) + SLOWLY + chunks("\n</think>\n\nThe rain has stopped.")
    )
    plain = program("chat", "Ada", "-m", "x", "--model", "openai:m", **variables(server))
    assert plain.out == "She is late.\nThe rain has stopped.\n" and "thinking" in plain.err


def test_a_reply_that_was_sent_as_thoughts_is_the_reply(program: Program, server: Server, ada: str) -> None:
    server.replies["m"] = chunks(reasoning_content="The rain has stopped.")
    result = program("chat", "Ada", "-m", "x", "--model", "openai:m", "--json", **variables(server)).json
    assert (result["content"], result["thinking"], result["finish"]) == ("The rain has stopped.", "", "stop")
    plain = program("chat", "Ada", "-m", "x", "--model", "openai:m", **variables(server))
    assert plain.out == "The rain has stopped.\n" and plain.err == ""


def test_a_refusal_in_mid_stream_keeps_the_words_and_is_a_failure(
    program: Program, server: Server, ada: str
) -> None:
    refusal = json.dumps({"object": "error", "message": "CUDA out of memory"}).encode()
    server.replies["m"] = chunks("The rain has", finish=None) + b"data: " + refusal + b"\n\n"
    result = program("chat", "Ada", "-m", "x", "--model", "openai:m", "--json", code=1, **variables(server))
    assert result.error["code"] == "MODEL_SERVER_ERROR" and "CUDA out of memory" in result.error["message"]
    (one,) = program("conversation", "list", "--json").json
    last = program("conversation", "show", one["id"], "--json").json["messages"][-1]
    assert (last["content"], last["status"]) == ("The rain has", "failed")


def test_options_of_a_model_are_saved_and_obeyed(
    program: Program, server: Server, ada: str, home: Path
) -> None:
    whole = {"choices": [{"message": {"content": "<<She is late.>>Stopped."}, "finish_reason": "stop"}]}
    server.replies["m"] = json.dumps(whole).encode()
    program(
        *("model", "add", "mine", "--provider", "openai", "--base-url", server.url, "--model", "m"),
        *("--timeout", "40", "--no-stream", "--post-process", "single", "--thinking-marks", "<<", ">>"),
    )
    saved = tomllib.loads((home / "config" / "config.toml").read_text())["models"]["mine"]
    assert (saved["timeout"], saved["stream"], saved["post_process"]) == (40, False, "single")
    assert saved["thinking_marks"] == ["<<", ">>"]
    result = program("chat", "Ada", "-m", "Hello", "--model", "mine", "--json").json
    assert (result["content"], result["thinking"]) == ("Stopped.", "She is late.")
    asked = server.asked[-1]
    assert asked["stream"] is False and [message["role"] for message in asked["messages"]] == ["user"]
    wrong = program(
        *("model", "add", "x", "--provider", "openai", "--model", "m", "--post-process", "odd", "--json"),
        code=2,
    )
    assert "semi-strict" in wrong.error["hint"]


def test_a_bad_option_of_a_model_is_named_and_the_rest_works(
    program: Program, server: Server, ada: str, home: Path
) -> None:
    server.replies["m"] = chunks("Good.")
    file = home / "config" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f'[models.mine]\nprovider = "openai"\nmodel = "m"\nbase_url = "{server.url}"\n'
        'timeout = "long"\nstream = 5\npost_process = "odd"\nthinking_marks = ["a"]\n'
    )
    result = program("chat", "Ada", "-m", "Hello", "--model", "mine", "--json")
    assert result.json["content"] == "Good."
    for key in ("timeout", "stream", "post_process", "thinking_marks"):
        assert f"models.mine.{key}" in result.err


def test_a_redirect_on_the_same_server_is_followed_with_its_words(
    program: Program, server: Server, ada: str
) -> None:
    path = server.url.removesuffix("/v1")
    for status in ("307", "308"):
        model = f"to:{status}:{path}/v2/chat"
        program(
            *("chat", "Ada", "-m", "x", "--model", f"openai:{model}", "--json"), code=1, **variables(server)
        )
        assert server.asked[-1]["path"] == "/v2/chat" and server.asked[-1]["auth"]


def test_a_redirect_elsewhere_is_told_and_gets_no_key(program: Program, server: Server, ada: str) -> None:
    other = Server()
    for status, target in (
        ("307", f"{other.url}/x"),
        ("302", f"{server.url}/y"),
        ("301", "https://h.example/z?q=1"),
    ):
        result = program(
            *("chat", "Ada", "-m", "x", "--model", f"openai:to:{status}:{target}", "--json"),
            code=1,
            **variables(server),
        )
        assert result.error["code"] == "MODEL_REDIRECTED"
        assert target.partition("?")[0] in result.error["message"] and "?" not in result.error["message"]
    other.close()
    assert other.asked == [] and len(server.asked) == 3


NAMED = {
    "dns": ("http://no-such-host.invalid/v1", {}, "cannot be found"),
    "refused": ("http://127.0.0.1:9/v1", {}, "refused"),
    "tls": ("https://127.0.0.1:{port}/v1", {}, "encryption"),
    "a dead proxy": (
        "http://192.0.2.1/v1",
        {"http_proxy": "http://me:secret@127.0.0.1:9"},
        "127.0.0.1:9 (http_proxy)",
    ),
    "a dead SOCKS proxy of GNOME": (
        "http://192.0.2.1/v1",
        {"all_proxy": "socks://127.0.0.1:9/"},
        "127.0.0.1:9",
    ),
    "a proxy that is none": ("http://192.0.2.1/v1", {"ALL_PROXY": "gopher://127.0.0.1:9"}, "ALL_PROXY"),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_stands_in_the_way_is_named(program: Program, server: Server, ada: str, name: str) -> None:
    url, more, words = NAMED[name]
    url = url.format(port=server.url.rpartition(":")[2].partition("/")[0])
    environ = {**variables(server), "OPENAI_BASE_URL": url, "NO_PROXY": "", "no_proxy": "", **more}
    result = program("chat", "Ada", "-m", "x", "--model", "openai:m", "--json", code=None, **environ)
    assert result.code in {1, 2, 6} and words in result.error["message"] and "secret" not in result.err
    assert result.error["code"] in {"MODEL_UNREACHABLE", "MODEL_PROXY_UNUSABLE"}


@pytest.mark.parametrize(
    "environ",
    [
        {"NO_PROXY": "localhost,[::1]"},
        {"NO_PROXY": "fe80::/10,::1/128,fd07:b51a:cc66:f0::/64"},
        {"no_proxy": "http://x:y, ,*.local,10.0.0.0/8"},
        {"SSL_CERT_FILE": "/no/such/file.pem"},
        {"REQUESTS_CA_BUNDLE": "/no/such/file.pem", "SSL_CERT_DIR": "/no/such/folder"},
        {"all_proxy": "socks://127.0.0.1:9/", "no_proxy": "no-such-host.invalid"},
        {"https_proxy": "http://127.0.0.1:9", "NO_PROXY": ".invalid"},
    ],
)
def test_odd_variables_never_stop_the_program(
    program: Program, server: Server, ada: str, environ: dict[str, str]
) -> None:
    """The name cannot be resolved: that, and nothing about a variable, is what is told."""
    place = {"OPENAI_BASE_URL": "https://no-such-host.invalid/v1"}
    everything = {**variables(server), **place, **environ}
    result = program("chat", "Ada", "-m", "x", "--model", "openai:m", "--json", code=6, **everything)
    assert (result.error["code"], "cannot be found" in result.error["message"]) == ("MODEL_UNREACHABLE", True)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody knows, its key beside it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    file = tmp_path / "own.pem"
    subprocess.run(
        [
            *(
                openssl,
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=127.0.0.1",
            ),
            *(
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-keyout",
                str(tmp_path / "own.key"),
                "-out",
                str(file),
            ),
        ],
        check=True,
        capture_output=True,
    )
    return file


def test_a_certificate_of_ones_own_counts_also_on_this_machine(
    program: Program, server: Server, ada: str, certificate: Path
) -> None:
    server.replies["m"] = chunks("Good.")
    server.encrypt(certificate)
    say = ("chat", "Ada", "-m", "x", "--model", "openai:m", "--json")
    result = program(*say, code=6, **variables(server))
    assert result.error["code"] == "MODEL_UNREACHABLE" and "certificate" in result.error["message"]
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        result = program(*say, **variables(server), **{name: str(certificate)})
        assert result.json["content"] == "Good."
    plain = {**variables(server), "OPENAI_BASE_URL": server.url.replace("https:", "http:")}
    result = program(*say, code=None, **plain)
    assert result.error["code"] == "MODEL_UNREACHABLE" and "encryption" in result.error["message"]


# -- parameters, and the request as it is ---------------------------------------------------------------


def test_the_request_is_shown_with_its_keys_hidden_and_not_sent(
    program: Program, server: Server, ada: str
) -> None:
    program(
        *("model", "add", "mine", "--provider", "openrouter", "--model", "m", "--base-url", server.url),
        *("--param", "min_p=0.05", "--param", "top_k=40", "--stop", "END", "--stop", "Ada:"),
        *("--extra-body", '{"provider": {"order": ["a"]}}', "--drop", "stream_options"),
        *("--header", "X-Title: Moon", "--header", "X-Api-Key: secret-word", "--reasoning-effort", "high"),
        *("--key-env", "MINE_KEY"),
    )
    result = program(
        *("chat", "Ada", "-m", "Hi", "--model", "mine", "--show-request"),
        *("--set", "top_k=7", "--set", "grammar=root"),
        MINE_KEY="sk-mine-0123456789",
        LUNALUX_LANG="en",
    )
    shown = result.json
    assert list(shown) == ["method", "url", "headers", "body"] and shown["method"] == "POST"
    assert shown["url"] == f"{server.url}/chat/completions"
    headers = {name.lower(): value for name, value in shown["headers"].items()}
    assert headers["authorization"] == "***" == headers["x-api-key"] and headers["x-title"] == "Moon"
    assert "secret-word" not in result.out and "sk-mine" not in result.out
    body = shown["body"]
    assert (body["min_p"], body["top_k"], body["stop"]) == (0.05, 7, ["END", "Ada:"])
    assert body["reasoning"] == {"effort": "high"} and body["provider"] == {"order": ["a"]}
    assert "grammar" not in body and "stream_options" not in body and "grammar" in result.err
    assert "Hi" in body["messages"][-1]["content"] and server.asked == []
    (one,) = program("conversation", "list", "--json").json
    assert len(program("conversation", "show", one["id"], "--json").json["messages"]) == 1
    told = program("chat", "Ada", "-m", "Hi", "--show-request", "--model", "practice", "--json", code=1)
    assert "REQUEST_NOT_HTTP" in told.err


def test_a_turn_tells_tokens_speed_and_what_it_cost(program: Program, server: Server, ada: str) -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 400},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    event = json.dumps({"choices": [], "usage": usage}).encode()
    server.replies["m"] = chunks("The rain ", "falls.") + b"data: " + event + b"\n\ndata: [DONE]\n\n"
    add = ("model", "add", "mine", "--provider", "openai", "--model", "m", "--base-url", server.url)
    program(*add, "--price", "10,1,20")
    result = program("chat", "Ada", "-m", "Hi", "--model", "mine", "--set", "temperature=0.1", "--json").json
    assert result["usage"] == {
        "prompt_tokens": 1000,
        "cached_tokens": 400,
        "completion_tokens": 100,
        "thinking_tokens": 30,
        "estimated": False,
    }
    assert result["cost"] == {"amount": 0.0084, "currency": "USD", "source": "person"}
    assert result["speed"]["first_token_s"] >= 0 and server.asked[0]["temperature"] == 0.1
    program(*add)
    again = program("chat", "Ada", "-m", "Hi", "--model", "mine", "--json").json
    assert again["cost"] is None and server.asked[1]["temperature"] == 1.0


def test_a_model_is_shown_with_what_it_takes(program: Program, server: Server, ada: str) -> None:
    add = ("model", "add", "mine", "--provider", "mistral", "--model", "m", "--base-url", server.url)
    program(*add, "--context", "32000", "--price", "1,0.5,2")
    shown = program("model", "show", "mine", "--json").json
    assert list(shown) == [
        *("name", "provider", "mode", "model", "base_url", "window", "params_taken", "prefill"),
        *("tokenizer", "prices", "learnt"),
    ]
    assert shown["window"] == {"tokens": 32000, "source": "person"} and shown["prefill"] == "prefix"
    assert "seed" in shown["params_taken"] and "grammar" not in shown["params_taken"]
    assert shown["prices"]["cached"] == 0.5 and shown["learnt"] == {}
    practice = program("model", "show", "practice", "--json").json
    assert practice["params_taken"] is None and practice["prices"] is None
    program("model", "show", "nothing", "--json", code=5)
    replaced = program(*add, LUNALUX_LANG="en")
    assert "replaced" in replaced.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--param", "min_q=1"), "PARAMETER_UNKNOWN"),
        (("--param", "min_p=7"), "PARAMETER_INVALID"),
        (("--param", "min_p"), "PARAMETER_PAIR"),
        (("--extra-body", "[1]"), "EXTRA_BODY_INVALID"),
        (("--header", "X-A: b\nX-B: c"), "HEADER_INVALID"),
        (("--price", "1,two,3"), "PRICE_INVALID"),
        (("--reasoning-effort", "huge"), "PARAMETER_INVALID"),
        (("--provider", "nobody"), "USAGE"),
    ],
)
def test_what_cannot_be_sent_is_refused_in_one_sentence_and_nothing_is_saved(
    program: Program, arguments: tuple[str, ...], code: str
) -> None:
    add = ("model", "add", "x", "--provider", "openai", "--model", "m")
    error = json.loads(program(*add, *arguments, "--json", code=2).err)["error"]
    assert error["code"] == code and "\n" not in error["message"]
    chinese = program(*add, *arguments, "--json", code=2, LUNALUX_LANG="zh")
    assert json.loads(chinese.err)["error"]["message"] != error["message"]
    program("model", "show", "x", code=5)
