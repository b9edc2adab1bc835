"""Traces: spans of requests, storage and model by the real OpenTelemetry, ids in the log, nobody's words."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, cast

import httpx
import pytest
from api_support import URL, Api, backend, bad, card_png, good
from llm_stub import model_server
from served_engines import served
from storage_engines import ministack

from lunalux_core.backend.money.billing import ModelConfig
from lunalux_core.backend.running import logs
from lunalux_core.backend.running.backend_settings import ProviderSettings
from lunalux_core.backend.running.services import assemble
from lunalux_core.backend.running.signatures import Signer
from lunalux_core.backend.running.traces import Traces
from lunalux_core.backend.storage.blobs import BlobExists, Blobs
from lunalux_core.backend.storage.provision import Provisioner
from lunalux_core.backend.storage.s3 import S3Blobs
from lunalux_core.backend.storage.table import Unavailable
from lunalux_core.backend.storage.traced import TracedBlobs
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import StreamingASGITransport
from lunalux_core.errors import InvalidInput

memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")

SECRET_WORDS = "a lamp that nobody may read of"


class World:
    """A backend whose spans are kept here."""

    def __init__(self, api: Api, exporter: Any, traces: Traces) -> None:
        self.api, self._exporter, self._traces = api, exporter, traces

    async def spans(self, requests: int = 1) -> Sequence[Any]:
        """What was traced since, when so many requests are over: a span ends after its answer's last byte."""
        for _ in range(500):
            self._traces._provider.force_flush()
            spans: Sequence[Any] = self._exporter.get_finished_spans()
            if [span.kind.name for span in spans].count("SERVER") >= requests:
                self._exporter.clear()
                return spans
            await asyncio.sleep(0.01)
        raise AssertionError("the requests do not end")


@asynccontextmanager
async def traced(folder: Path, blobs: Blobs | None = None) -> AsyncIterator[World]:
    exporter = memory.InMemorySpanExporter()
    async with model_server() as stub, backend(folder) as plain:
        traces = Traces(True, exporter)
        providers = ProviderSettings(openai_key="sk-secret-of-ours", openai_base_url=stub.url)
        services = assemble(
            replace(plain.services.settings, providers=providers),
            *(plain.services.store, blobs or plain.services.blobs, plain.services.identity),
            Signer(("a secret for this test alone",)),
            rank_on_request=False,
            traces=traces,
            now_ms=plain.clock,
        )
        for number, name in (("011", "fine"), ("012", "broken")):
            await services.models.put(ModelConfig(number, name, "openai", name, -1, True, False, 5, -1, 9))
        transport = StreamingASGITransport(create_app(services))
        async with httpx.AsyncClient(base_url=URL, transport=transport) as http:
            yield World(Api(services, http, plain.clock), exporter, traces)
        await services.dialogues.aclose()
        await services.official.close()
        await traces.aclose()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with traced(tmp_path) as made:
        yield made


async def test_a_reply_is_one_trace_of_request_storage_and_model_without_a_word_of_it(world: World) -> None:
    ada = await world.api.person()
    await world.spans(3)
    for aloud in ({}, {"accept": "text/event-stream"}):
        body = {"modelId": "011", "userMessage": SECRET_WORDS}
        answer = await ada.post("/api/official-model/submit", body, **aloud)
        assert answer.status_code == 200 and "evening" in answer.text
        spans = await world.spans()
        (request,) = [span for span in spans if span.kind.name == "SERVER"]
        (model,) = [span for span in spans if span.name == "chat fine"]
        others = [span for span in spans if span is not request]
        assert all(span.context.trace_id == request.context.trace_id for span in spans)
        assert all(span.parent.span_id == request.context.span_id for span in others)
        said = request.attributes
        assert said["http.route"] == "/api/official-model/submit" and said["http.response.status_code"] == 200
        assert said["lunalux.request_id"] == answer.headers["x-request-id"]
        assert model.attributes["gen_ai.usage.output_tokens"] == 3
        stored = [span.attributes for span in others if span is not model]
        assert [one["db.operation.name"] for one in stored].count("transact") == 2
        assert all(one["db.system.name"] == "sqlite" for one in stored)
        written = "".join(span.to_json() for span in spans)
        hidden = (SECRET_WORDS, "evening", ada.user_id, ada.email, ada.token, "sk-secret-of-ours")
        assert not [words for words in hidden if words in written]


async def test_what_failed_is_marked_by_its_code_alone_and_a_condition_is_no_failure(world: World) -> None:
    ada = await world.api.person()
    await world.spans(3)
    bad(await ada.submit(modelId="012"), 502, "LLM_FAILED")
    spans = {span.name: span for span in await world.spans()}
    broken = spans["chat broken"]
    assert broken.attributes["error.type"] == "LLM_FAILED" and not broken.status.is_ok
    assert "secret-account-name" not in "".join(span.to_json() for span in spans.values())
    assert spans["POST /api/official-model/submit"].attributes["http.response.status_code"] == 502
    for _ in range(2):
        good(await ada.submit(modelId="001", key="the-same"))
    unmet = [span for span in await world.spans(2) if "lunalux.condition_failed" in (span.attributes or {})]
    assert unmet and all(span.status.status_code.name == "UNSET" for span in unmet)


async def test_a_caller_s_trace_goes_on_and_its_id_is_in_the_log(world: World) -> None:
    text = io.StringIO()
    logs.configure(stream=text)
    try:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        begun = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "x-request-id": "mine"}
        assert (await world.api.http.get("/health", headers=begun)).status_code == 200
        await world.api.http.get("/health", headers={"traceparent": "no trace at all"})
    finally:
        logs.logger.handlers.clear()
        logs.logger.propagate = True
        logs.logger.setLevel(logging.NOTSET)
    first, second = (json.loads(line) for line in text.getvalue().splitlines())
    assert (first["traceId"], first["requestId"]) == (trace, "mine")
    assert len(second["traceId"]) == 32 and second["traceId"] != trace
    span = next(span for span in await world.spans(2) if span.kind.name == "SERVER")
    assert f"{span.context.trace_id:032x}" == trace and f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"


def told_of_files(spans: Sequence[Any]) -> list[tuple[str, int | None, str | None]]:
    """Of the calls for stored files: method, bytes, and what went wrong."""
    said = [span.attributes for span in spans if "rpc.method" in span.attributes]
    assert all((one["rpc.system"], one["rpc.service"]) == ("aws-api", "S3") for one in said)
    return [(one["rpc.method"], one.get("lunalux.bytes"), one.get("error.type")) for one in said]


async def test_calls_of_s3_are_spans_of_their_request_without_a_key(tmp_path: Path) -> None:
    pytest.importorskip("ministack")
    data = card_png("Mira", width=60, height=80)
    with ministack(tmp_path) as access:
        provisioner = Provisioner(access, (), "cards")
        await provisioner.apply()
        await provisioner.aclose()
        blobs = S3Blobs(access, "cards")
        try:
            async with traced(tmp_path, blobs) as world:
                await published_and_read(world, data)
        finally:
            await blobs.aclose()


async def published_and_read(world: World, data: bytes) -> None:
    """A card goes to the bucket by the service, is published, and read."""
    ada = await world.api.person()
    await world.spans(3)
    sent = {"file": ("mira.png", data, "image/png")}
    uploaded = await ada.http.post("/api/character/upload-direct", files=sent, headers=ada.headers)
    key = good(uploaded)["key"]
    stored = await world.spans()
    assert told_of_files(stored) == [("PutObject", len(data), None)]
    wish = {"s3Key": key, "language": "en", "intro": "An intro."}
    card = good(await ada.post("/api/character/finalize-publish", wish))["id"]
    made = await world.spans()
    asked = told_of_files(made)
    kept_and_thumbnail = ["PutObject", "PutObject"]
    assert [method for method, *_ in asked] == [
        "HeadObject",
        "GetObject",
        *kept_and_thumbnail,
        "DeleteObject",
    ]
    assert asked[1][1] == len(data) and all(asked[place][1] for place in (2, 3))
    read = await ada.get("/api/character/download-original", id=card)
    assert read.content.startswith(b"\x89PNG")
    fetched = await world.spans()
    assert ("GetObject", len(read.content), None) in told_of_files(fetched)
    for spans in (stored, made, fetched):
        (request,) = [span for span in spans if span.kind.name == "SERVER"]
        files = [span for span in spans if span.name.startswith("S3.")]
        assert files and all(span.parent.span_id == request.context.span_id for span in files)
        written = "".join(span.to_json() for span in spans)
        hidden = (key, key.rsplit("/", 1)[-1], card, ada.user_id)
        assert not [words for words in hidden if words in written]


async def test_a_call_of_s3_that_fails_is_marked_and_what_is_there_already_is_no_failure(
    tmp_path: Path,
) -> None:
    pytest.importorskip("ministack")
    with ministack(tmp_path) as access:
        provisioner = Provisioner(access, (), "cards")
        await provisioner.apply()
        await provisioner.aclose()
        exporter = memory.InMemorySpanExporter()
        traces = Traces(True, exporter)
        here, nowhere = (TracedBlobs(S3Blobs(access, name), traces) for name in ("cards", "nothing"))
        await here.put("a/b.png", b"one", "image/png")
        with pytest.raises(BlobExists):
            await here.put("a/b.png", b"two", "image/png")
        # Whoever goes before the end has had enough.
        async with aclosing(cast("AsyncGenerator[bytes]", here.stream("a/b.png"))) as pieces:
            assert await anext(pieces) == b"one"
        with pytest.raises(Unavailable):
            await nowhere.delete("a/b.png")
        await traces.aclose()
        for blobs in (here, nowhere):
            await blobs.aclose()
    spans = exporter.get_finished_spans()
    assert told_of_files(spans) == [
        ("PutObject", 3, None),
        ("PutObject", 3, None),
        ("GetObject", 3, None),
        ("DeleteObject", None, "STORE_UNAVAILABLE"),
    ]
    assert [span.attributes.get("lunalux.exists") for span in spans] == [None, True, None, None]
    assert [span.status.is_ok for span in spans] == [True, True, True, False]


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server that takes spans by OTLP over HTTP: its address, and what it was sent."""
    taken: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", taken
    finally:
        server.shutdown()
        thread.join()


def test_a_server_sends_its_spans_to_the_address_of_the_standard_s_variable(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    with collector() as (address, taken):
        variables = {"LUNALUX_TRACES": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": address}
        with served(tmp_path, **variables) as server:
            assert httpx.get(f"{server.url}/ready", timeout=60).status_code == 200
        assert (
            taken and taken[0][0] == "/v1/traces" and b"/ready" in taken[0][1] and b"lunalux" in taken[0][1]
        )


def test_off_nothing_of_it_is_loaded_and_missing_it_is_told() -> None:
    code = (
        "import sys, lunalux_core.backend.web.app; from lunalux_core.backend.running.traces import Traces; "
        "Traces(False); print([name for name in sys.modules if 'elemetry.sdk' in name or 'exporter' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
    missing = (
        "import sys; sys.modules['opentelemetry.sdk'] = None; "
        "from lunalux_core.backend.running.traces import Traces; Traces(True)"
    )
    done = subprocess.run([sys.executable, "-c", missing], capture_output=True, text=True, timeout=60)
    assert InvalidInput.__name__ in done.stderr and "OpenTelemetry is not installed" in done.stderr
