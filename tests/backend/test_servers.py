"""Several server processes, a hundred clients over TCP: one wallet, one session, one answer for one key."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_support import PASSWORD, bad, good
from served_engines import instances, served

pytestmark = pytest.mark.slow

CLIENTS, WORTH = 100, 50
SUBMIT = "/api/official-model/submit"
DOCUMENT = {"modelId": "002", "userMessage": "Good evening."}


@dataclass
class Cluster:
    """Where clients may ask, and the operator's commands on the same data."""

    urls: list[str]
    environment: dict[str, str]

    def admin(self, *arguments: str) -> Any:
        command = [sys.executable, "-m", "lunalux_tui", "admin", *arguments, "--json"]
        result = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return json.loads(result.stdout)


@contextmanager
def on_dynamodb(folder: Path) -> Iterator[Cluster]:
    """Three processes that share nothing but the emulator."""
    with instances(folder, 3) as (servers, variables):
        home = {"LUNALUX_HOME": str(folder / "operator")}
        yield Cluster([server.url for server in servers], {**os.environ, **variables, **home})


@contextmanager
def on_sqlite(folder: Path) -> Iterator[Cluster]:
    """Three worker processes over one file and one port."""
    with served(folder, "--workers", "3", SESSION_CACHE_SECONDS="0") as server:
        yield Cluster([server.url] * 3, {**os.environ, "LUNALUX_HOME": str(server.home)})


ENGINES = pytest.mark.parametrize("engine", [on_sqlite, on_dynamodb])


async def sign_in(http: httpx.AsyncClient, url: str, *, new: bool = True) -> dict[str, str]:
    body = {"email": "ada@example.org", "password": PASSWORD}
    if new:
        good(await http.post(f"{url}/api/auth/signup", json=body))
    answer = good(await http.post(f"{url}/api/auth/signin", json=body))
    headers = {"x-user-id": answer["userId"], "x-session-token": answer["sessionToken"]}
    good(await http.post(f"{url}/api/user/init", json={}, headers=headers))
    return headers


@ENGINES
async def test_a_hundred_clients_share_fifty_replies(engine: Any, tmp_path: Path) -> None:
    with engine(tmp_path) as cluster:
        async with httpx.AsyncClient(timeout=120) as first:
            headers = await sign_in(first, cluster.urls[0])
            cluster.admin("user", "credit", "ada@example.org", "--star", str(WORTH * 5 - 100))

            async def client(number: int) -> httpx.Response:
                async with httpx.AsyncClient(timeout=120) as http:  # a connection of its own
                    return await http.post(cluster.urls[number % 3] + SUBMIT, json=DOCUMENT, headers=headers)

            answers = await asyncio.gather(*(client(number) for number in range(CLIENTS)))
            told = Counter(answer.json().get("code", "paid") for answer in answers)
            assert told["paid"] == WORTH and set(told) <= {"paid", "INSUFFICIENT_FUNDS", "BILLING_FAILED"}, (
                told
            )
            wallet = good(await first.get(cluster.urls[1] + "/api/wallet/me", headers=headers))["wallet"]
            ledger = await first.get(cluster.urls[2] + "/api/ledger/summary/me", headers=headers)
            totals = good(ledger)["ledger"]
            history = await first.get(
                cluster.urls[0] + "/api/ledger/history/me", params={"limit": 100}, headers=headers
            )
            charges = [move for move in good(history)["movements"] if move["kind"] == "charge"]
        assert wallet["starCoin"] == 0
        assert totals["totalStarCoinUsed"] == totals["totalStarCoinGain"] == WORTH * 5
        assert Counter(move["status"] for move in charges) == {"SETTLED": WORTH}
        assert cluster.admin("reconcile") == {"ok": True, "users": 1, "discrepancies": []}


@ENGINES
async def test_one_session_and_one_answer_for_one_key_on_all_instances(engine: Any, tmp_path: Path) -> None:
    with engine(tmp_path) as cluster:
        async with httpx.AsyncClient(timeout=120) as http:
            old = await sign_in(http, cluster.urls[0])
            key = {**old, "idempotency-key": "the-same"}
            answers = await asyncio.gather(
                *(http.post(url + SUBMIT, json=DOCUMENT, headers=key) for url in cluster.urls * 3)
            )
            assert {answer.status_code for answer in answers} <= {200, 409}
            replays = [
                good(await http.post(url + SUBMIT, json=DOCUMENT, headers=key)) for url in cluster.urls
            ]
            assert len({replay["content"] for replay in replays}) == 1
            assert replays[0]["wallet"]["starCoin"] == 95
            new = await sign_in(http, cluster.urls[2], new=False)
            forged = {**new, "x-session-token": new["x-session-token"][:-3] + "AAA"}
            for url in cluster.urls:
                bad(await http.get(url + "/api/session/validate", headers=old), 460, "SESSION_TAKEN_OVER")
                bad(await http.post(url + SUBMIT, json=DOCUMENT, headers=old), 460, "SESSION_TAKEN_OVER")
                bad(await http.get(url + "/api/session/validate", headers=forged), 401, "UNAUTHORIZED")
                good(await http.get(url + "/api/session/validate", headers=new))
