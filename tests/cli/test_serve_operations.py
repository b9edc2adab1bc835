"""`lunalux serve` as an operator meets it: ended while a reply streams, its log, its storage away."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import pytest
from cli_program import environment

from lunalux_core.ids import uuid4

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ends by signal")
EMAIL, PASSWORD = "ada.lovelace@example.org", "four unrelated quiet words"
SECRET, KEY = "a signing secret of this test", "sk-proj-0123456789abcdefghij"
PROMPT = "The lighthouse has thirteen windows."


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    log: Path
    home: Path
    url: str

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    def rows(self, table: str, prefix: str) -> list[dict[str, Any]]:
        (file,) = self.home.rglob("backend.db")
        with sqlite3.connect(file) as db:
            found = db.execute(f"SELECT doc FROM {table} WHERE sk LIKE ?", (f"{prefix}%",)).fetchall()
        return [json.loads(doc) for (doc,) in found]


@contextmanager
def running(folder: Path, *options: str, **variables: str) -> Iterator[Running]:
    folder.mkdir(exist_ok=True)
    log = folder / "server.log"
    own = {"LUNALUX_RATE_LIMITS": "0", "SESSION_SECRET": SECRET}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "lunalux_tui", "serve", "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment(folder / "home", own | variables),
        )
    try:
        deadline = time.monotonic() + 60
        while '"url"' not in log.read_text("utf-8"):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text("utf-8")
            time.sleep(0.05)
        url = json.loads(log.read_text("utf-8").splitlines()[0])["url"]
        yield Running(process, log, folder / "home", url)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


async def sign_in(http: httpx.AsyncClient) -> dict[str, str]:
    account = {"email": EMAIL, "password": PASSWORD}
    answer = (await http.post("/api/auth/signin", json=account)).json()
    headers = {"x-user-id": answer["userId"], "x-session-token": answer["sessionToken"]}
    (await http.post("/api/user/init", json={"email": EMAIL}, headers=headers)).raise_for_status()
    return headers


@asynccontextmanager
async def signed_up(url: str) -> AsyncIterator[tuple[httpx.AsyncClient, dict[str, str]]]:
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        account = {"email": EMAIL, "password": PASSWORD}
        (await http.post("/api/auth/signup", json=account)).raise_for_status()
        yield http, await sign_in(http)


def asking(model_id: str) -> dict[str, Any]:
    return {"modelId": model_id, "userMessage": PROMPT}


async def streamed(server: Running, model_id: str) -> list[str]:
    """The names of a stream's events; the server is told to end after the first piece. A cut adds `cut`."""
    names: list[str] = []
    async with signed_up(server.url) as (http, headers):
        more = {**headers, "accept": "text/event-stream", "idempotency-key": uuid4()}
        submit = http.stream("POST", "/api/official-model/submit", json=asking(model_id), headers=more)
        try:
            async with submit as response:
                async for line in response.aiter_lines():
                    if line.startswith("event: "):
                        names.append(line.removeprefix("event: "))
                        if len(names) == 1:
                            server.process.send_signal(signal.SIGTERM)
        except httpx.TransportError:
            names.append("cut")
    return names


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_reply_under_way_is_finished_and_paid_before_the_server_ends(
    tmp_path: Path, workers: str
) -> None:
    with running(tmp_path / "s", "--workers", workers, LUNALUX_PRACTICE_RATE="150") as server:
        names = await streamed(server, "002")
        assert await asyncio.to_thread(server.process.wait, 60) == 0
        assert names[-1] == "done" and names.count("done") == 1 and len(names) > 20
        assert not server.rows("ledger_summary_table", "OPEN#")
        charges = [row for row in server.rows("ledger_summary_table", "MOVE#") if row["kind"] == "charge"]
        assert [(row["status"], row["amount"]) for row in charges] == [("SETTLED", -5)]
        assert [row["starCoin"] for row in server.rows("user_wallet_table", "WALLET")] == [95]
        assert server.lines[-1]["message"] == "stopped"


async def test_a_reply_that_outlasts_the_grace_is_cut_and_given_back(tmp_path: Path) -> None:
    variables = {"LUNALUX_PRACTICE_RATE": "1", "SHUTDOWN_GRACE_SECONDS": "1"}
    with running(tmp_path / "s", **variables) as server:
        names = await streamed(server, "002")
        assert await asyncio.to_thread(server.process.wait, 60) == 0
        assert "done" not in names
        assert not server.rows("ledger_summary_table", "OPEN#")
        charges = [row for row in server.rows("ledger_summary_table", "MOVE#") if row["kind"] == "charge"]
        assert [(row["status"], row["amount"]) for row in charges] == [("REFUNDED", 0)]
        assert [row["starCoin"] for row in server.rows("user_wallet_table", "WALLET")] == [100]


def stub() -> Any:
    path = Path(__file__).resolve().parents[1] / "backend" / "llm_stub.py"
    spec = importlib.util.spec_from_file_location("llm_stub_of_serve", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def test_the_log_is_json_lines_and_knows_no_secret_and_nobodys_words(tmp_path: Path) -> None:
    home = tmp_path / "s"
    home.mkdir()
    for model_id, name in (("800", "broken"), ("801", "fine")):
        row = ("--name", name, "--type", "openai", "--model", name, "--free-level", "0")
        subprocess.run(
            [sys.executable, "-m", "lunalux_tui", "admin", "model", "put", model_id, *row],
            env=environment(home / "home"),
            check=True,
            capture_output=True,
        )
    async with stub().model_server() as llm:
        variables = {
            "OPENAI_BASE_URL": llm.url,
            "OPENAI_API_KEY": KEY,
            "LUNALUX_REQUIRE_CONFIRMATION": "1",
            "LOG_LEVEL": "DEBUG",
            "analyze_token": "true",
        }
        with running(home, **variables) as server:
            async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
                account = {"email": EMAIL, "password": PASSWORD}
                assert not (await http.post("/api/auth/signup", json=account)).json()["confirmed"]
                said = next(line for line in server.lines if " code for " in line["message"])
                code = said["message"].rpartition(": ")[2]
                await http.post("/api/auth/confirm", json={"email": EMAIL, "code": code})
                headers = await sign_in(http)
                path = "/api/official-model/submit"
                assert (await http.post(path, json=asking("801"), headers=headers)).status_code == 200
                assert (await http.post(path, json=asking("800"), headers=headers)).status_code == 502
                forged = {**headers, "x-session-token": headers["x-session-token"][:-4] + "AAAA"}
                assert (await http.get("/api/user/me", headers=forged)).status_code == 401
                await http.get(f"/api/user/me?token={headers['x-session-token']}", headers=headers)
            assert server.end() == 0
            lines, text = server.lines, server.log.read_text("utf-8")
    assert {line["level"] for line in lines} >= {"INFO", "WARNING"}
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    requests = [line for line in lines if line["message"] == "request"]
    assert {(one["route"], one["status"]) for one in requests} >= {(path, 200), (path, 502)}
    assert all(one["requestId"] for one in requests)
    assert any(line["message"] == "tokens" for line in lines)
    token = headers["x-session-token"]
    for secret in (EMAIL, PASSWORD, SECRET, KEY, token, token.partition(".")[2], PROMPT, "Good evening"):
        assert secret not in text


async def test_a_storage_that_is_away_is_503_with_a_time_to_come_back(tmp_path: Path) -> None:
    pytest.importorskip("boto3")
    away = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "LUNALUX_METRICS": "0",
    }
    with running(tmp_path / "s", "--storage", "aws", **away) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            assert (await http.get("/health")).json() == {"success": True}
            account = {"email": EMAIL, "password": PASSWORD}
            refused = await asyncio.gather(http.get("/ready"), http.post("/api/auth/signin", json=account))
            for answer in refused:
                assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
                assert answer.json()["code"] == "STORE_UNAVAILABLE"
            assert (await http.get("/metrics")).status_code == 404
        assert server.end() == 0


def test_a_kept_connection_answers_as_quickly_as_a_new_one(tmp_path: Path) -> None:
    """Answers that wait for the other side's acknowledgement take 40 ms on a kept connection, and two on a
    new one. They are asked in turns, so that a busy machine slows both alike."""

    def seconds(client: httpx.Client, health: str) -> float:
        begun = time.perf_counter()
        assert client.get(health).status_code == 200
        return time.perf_counter() - begun

    with running(tmp_path / "s") as server, httpx.Client(timeout=60) as kept:
        health = f"{server.url}/health"
        pairs = [(seconds(kept, health), seconds(httpx.Client(timeout=60), health)) for _ in range(41)]
        assert median(old for old, _ in pairs) < 1.5 * median(new for _, new in pairs)
        assert server.end() == 0


def test_only_the_account_that_was_begun_with_this_password_is_confirmed(tmp_path: Path) -> None:
    """Somebody else began an account for Ada's address first: her code must not open theirs."""
    theirs = "three words of a stranger"
    with running(tmp_path / "s", LUNALUX_REQUIRE_CONFIRMATION="1") as server:

        def account(*arguments: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "lunalux_tui", "account", *arguments, "--json"],
                env=environment(tmp_path / "client", {"LUNALUX_API_URL": server.url}),
                input=password + "\n",
                capture_output=True,
                text=True,
            )

        begun = account("signup", EMAIL, "--password-stdin", password=theirs)
        assert json.loads(begun.stdout)["confirmed"] is False
        assert account("signup", EMAIL, "--password-stdin").returncode == 0
        said = [line["message"] for line in server.lines if " code for " in line["message"]]
        code = said[-1].rpartition(": ")[2]
        refused = account("confirm", EMAIL, code, "--password-stdin")
        assert json.loads(refused.stderr)["error"]["code"] == "CODE_INVALID"
        assert account("login", EMAIL, "--password-stdin", password=theirs).returncode != 0
        done = account("confirm", EMAIL, code, "--password-stdin", password=theirs)
        assert json.loads(done.stdout) == {"email": EMAIL, "confirmed": True}


def test_the_metrics_of_several_workers_add_up(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client")
    with running(tmp_path / "s", "--workers", "2", LUNALUX_METRICS="1") as server:
        for _ in range(30):  # a connection each: any worker may answer
            httpx.get(f"{server.url}/health", timeout=60).raise_for_status()
        for _ in range(8):
            text = httpx.get(f"{server.url}/metrics", timeout=60).raise_for_status().text
            counted = [line for line in text.splitlines() if line.startswith("lunalux_requests_total{")]
            health = [line for line in counted if 'route="/health"' in line]
            assert [float(line.rpartition(" ")[2]) for line in health] == [30.0]
        assert server.end() == 0


@pytest.mark.parametrize(("trusted", "told"), [("192.0.2.7", True), ("127.0.0.1", False)])
def test_a_proxy_that_nobody_named_is_told_once(tmp_path: Path, trusted: str, told: bool) -> None:
    """Everybody behind it would share one address, and one limit."""
    with running(tmp_path / "s", FORWARDED_ALLOW_IPS=trusted) as server:
        for number in range(3):
            forwarded = {"x-forwarded-for": f"198.51.100.{number}"}
            httpx.get(f"{server.url}/health", headers=forwarded, timeout=60).raise_for_status()
        assert server.end() == 0
        lines = [line for line in server.lines if "FORWARDED_ALLOW_IPS" in line["message"]]
    assert len(lines) == told
