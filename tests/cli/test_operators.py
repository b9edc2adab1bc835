"""The operator's commands do the same on both storages."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_program import Program, on_a_terminal
from test_cli_aws import aws_account

MakeCard = Callable[..., Path]


@pytest.fixture(params=["embedded", pytest.param("aws", marks=pytest.mark.slow)])
def operator(request: pytest.FixtureRequest, tmp_path: Path, program: Program) -> Iterator[Program]:
    """The program over one of the storages, which is as empty as it can be."""
    if request.param == "embedded":
        yield program
        return
    with aws_account(tmp_path / "aws") as variables:
        yield lambda *arguments, **options: program(*arguments, **variables, **options)


def admin(operator: Program, *arguments: str, **options: Any) -> Any:
    return operator("admin", *arguments, "--json", **options).json


def test_a_backend_is_set_up_priced_credited_moderated_and_reconciled(
    operator: Program, make_card: MakeCard
) -> None:
    planned = admin(operator, "provision", "--dry-run")
    assert len(planned["tables"]) == 9 and planned["bucket"]["name"] == "character-cards"
    assert admin(operator, "provision") is not None
    assert admin(operator, "provision", "--dry-run")["changes"] == []
    profile = operator("account", "show", "--json").json["profile"]
    user = profile["id"]
    assert admin(operator, "user", "credit", user, "--star", "7", "--luna", "2")["starCoin"] == 107
    assert admin(operator, "user", "credit", user, "--star", "-7")["starCoin"] == 100
    assert operator("admin", "user", "credit", user, "--star", "-900", "--json", code=4).error["code"]
    assert admin(operator, "user", "lux", profile["email"], "1")["luxLevel"] == 1
    price = ("--name", "Muse", "--type", "practice", "--model", "practice", "--luna-cost", "2")
    assert admin(operator, "model", "put", "009", *price)["lunaCost"] == 2
    assert "009" in {row["modelId"] for row in admin(operator, "model", "list")}
    coupon = ("GIFT", "--currency", "star", "--amount", "5", "--claims", "3")
    assert admin(operator, "coupon", "create", *coupon)["coupon"] == "GIFT"
    assert operator("wallet", "redeem", "GIFT", "--json").json["amount"] == 5
    wide = ("ＦＵＬＬ　７７", "--currency", "luna", "--amount", "4")
    assert admin(operator, "coupon", "create", *wide)["coupon"] == "FULL77"
    assert operator("wallet", "redeem", "ＦＵＬＬ 77", "--json").json["amount"] == 4
    identity = operator(
        "market", "publish", str(make_card("Ada")), "--lang", "en", "--intro", "Here."
    ).out.strip()
    admin(operator, "market", "hide", identity)
    assert operator("market", "download", identity, "--json", code=5).error["code"] == "CHARACTER_NOT_FOUND"
    admin(operator, "market", "restore", identity)
    assert admin(operator, "rank", "--lang", "en", "--sort", "new")[0]["sort"] == "new"
    listed = operator("market", "list", "--sort", "new", "--refresh", "--json").json
    assert identity in {one["id"] for one in listed}
    assert admin(operator, "market", "reports") == []
    admin(operator, "market", "remove", identity)
    assert admin(operator, "migrate-sk") == {"moved": 0, "doubled": [], "dryRun": False}
    assert admin(operator, "reconcile") == {"ok": True, "users": 1, "discrepancies": []}


@pytest.mark.skipif(os.name != "posix", reason="a pty is needed")
def test_books_that_disagree_are_told_with_what_each_number_is(
    program: Program, home: Path, tmp_path: Path
) -> None:
    user = program("account", "show", "--json").json["profile"]["id"]
    (database,) = Path(json.loads(program("paths", "--json").out)["backend"]).rglob("backend.db")
    with sqlite3.connect(database) as rows:
        changed = rows.execute(
            "UPDATE user_wallet_table SET doc = json_set(doc, '$.starCoin', 93) WHERE sk = 'WALLET'"
        )
        assert changed.rowcount == 1
    assert program("admin", "reconcile", code=7).out.split() == [user, "star", "93", "100", "100"]
    shown = on_a_terminal(home, tmp_path, "admin", "reconcile", columns=120, NO_COLOR="1").decode("utf-8")
    head, row = shown.splitlines()[:2]
    assert [part.strip() for part in head.split("  ") if part.strip()] == [
        "user",
        "coin",
        "balance",
        "gained - used",
        "sum of movements",
    ]
    assert row.split() == [user, "star", "93", "100", "100"]
    assert admin(program, "reconcile", code=7)["discrepancies"] == [
        {"userId": user, "currency": "star", "balance": 93, "ledger": 100, "movements": 100}
    ]


def test_reports_are_shown_newest_first_with_the_card(program: Program, make_card: MakeCard) -> None:
    identity = program(
        "market", "publish", str(make_card("Ada")), "--lang", "en", "--intro", "Here."
    ).out.strip()
    folder = Path(json.loads(program("paths", "--json").out)["backend"])

    async def report() -> None:
        from lunalux_core.backend.running.embedded import open_embedded
        from lunalux_core.backend.running.settings import BackendSettings

        moment = iter((1_770_000_000_000, 1_770_000_001_000))
        services = await open_embedded(
            folder, BackendSettings.from_env({}), seeded=False, now_ms=lambda: next(moment)
        )
        for who, why in (("first", "copied"), ("second", "rude")):
            await services.characters.report(identity, who, why)
        await services.aclose()

    asyncio.run(report())
    shown = admin(program, "market", "reports")
    assert [(one["reason"], one["name"], one["status"]) for one in shown] == [
        ("rude", "Ada", "active"),
        ("copied", "Ada", "active"),
    ]
    program("admin", "market", "hide", identity)
    assert {one["status"] for one in admin(program, "market", "reports")} == {"hidden"}
