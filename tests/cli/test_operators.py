"""The operator's commands do the same on both storages."""

from __future__ import annotations

import asyncio
import json
import os
import re
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
    admin(operator, "market", "remove", identity, "--yes")
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
    shown_id, *figures = row.split()  # a table shortens an id where there is little room
    assert user.startswith(shown_id.rstrip("…")) and figures == ["star", "93", "100", "100"]
    assert admin(program, "reconcile", code=7)["discrepancies"] == [
        {"userId": user, "currency": "star", "balance": 93, "ledger": 100, "movements": 100}
    ]


def test_reports_are_shown_newest_first_with_the_card(program: Program, make_card: MakeCard) -> None:
    identity = program(
        "market", "publish", str(make_card("Ada")), "--lang", "en", "--intro", "Here."
    ).out.strip()
    folder = Path(json.loads(program("paths", "--json").out)["backend"])

    async def report() -> None:
        from lunalux_core.backend.running.backend_settings import BackendSettings
        from lunalux_core.backend.running.embedded import open_embedded
        from lunalux_core.backend.storage.table import Put

        moment = iter((1_770_000_000_000, 1_770_000_001_000))
        services = await open_embedded(
            folder, BackendSettings.from_env({}), seeded=False, now_ms=lambda: next(moment)
        )
        for who, why in (("first", "copied"), ("second", "rude")):
            await services.characters.report(identity, who, why)
        for row in ({"SK": "REPORT#zz"}, {"SK": "REPORT#", "reason": 7, "userId": None, "createdAt": 8}):
            await services.store.write(Put("character_table_EN", {"PK": "CHAR#gone", **row}))
        await services.aclose()

    asyncio.run(report())
    *shown, lacking, odd = admin(program, "market", "reports")
    assert (lacking["userId"], lacking["reason"], lacking["status"]) == ("zz", "", "gone")
    assert odd == {**lacking, "userId": ""}
    assert [(one["reason"], one["name"], one["status"]) for one in shown] == [
        ("rude", "Ada", "active"),
        ("copied", "Ada", "active"),
    ]
    program("admin", "market", "hide", identity)
    assert {one["status"] for one in admin(program, "market", "reports")} == {"hidden", "gone"}


def test_an_account_that_was_only_signed_up_for_is_shown_and_erased(program: Program) -> None:
    folder = Path(json.loads(program("paths", "--json").out)["backend"])

    async def with_services(work: Callable[[Any], Any]) -> Any:
        from lunalux_core.backend.running.backend_settings import BackendSettings
        from lunalux_core.backend.running.embedded import open_embedded

        services = await open_embedded(folder, BackendSettings.from_env({}), seeded=False)
        try:
            return await work(services)
        finally:
            await services.aclose()

    email = "ada@example.org"
    made = asyncio.run(with_services(lambda s: s.identity.sign_up(email, "four unrelated quiet words")))
    shown = admin(program, "user", "show", "Ada@Example.org")
    assert (shown["id"], shown["email"], shown["wallet"]) == (made.user_id, email, None)
    assert email in program("admin", "user", "show", email).out
    refused = program("admin", "user", "credit", email, "--star", "5", "--json", code=5).error
    assert refused["code"] == "USER_NOT_FOUND"
    assert admin(program, "user", "erase", "Ada@Example.org", "--yes")["erased"] is True
    assert asyncio.run(with_services(lambda s: s.identity.find(email))) is None
    assert program("admin", "user", "show", email, "--json", code=5).error["code"] == "USER_NOT_FOUND"


def test_operators_list_look_at_and_take_away(operator: Program) -> None:
    admin(operator, "provision")
    me = operator("account", "show", "--json").json["profile"]
    admin(operator, "coupon", "create", "ONCE", "--currency", "luna", "--amount", "4")
    admin(
        operator, "coupon", "create", "MANY-2026", "--currency", "star", "--amount", "5", "--claims", "6000"
    )
    operator("wallet", "redeem", "MANY-2026", "--json")
    rows = {row["id"]: row for row in admin(operator, "coupon", "list")}
    assert rows["ONCE"]["status"] == "open" and rows["ONCE"]["remaining_claims"] == 1
    many = rows["MANY-2026"]
    assert (many["name"], many["issued_claims"], many["remaining_claims"], many["claimed"]) == (
        "MANY-2026",
        6000,
        5999,
        1,
    )
    assert [claim["user_id"] for claim in admin(operator, "coupon", "show", "many")["claims"]] == [me["id"]]
    refused = operator("admin", "coupon", "revoke", "ONCE", "--json", code=2)
    assert refused.error["code"] == "USAGE"
    assert admin(operator, "coupon", "revoke", "ONCE", "--yes") == {
        "id": "ONCE",
        "name": "ONCE",
        "revoked": True,
    }
    gone = operator("wallet", "redeem", "ONCE", "--json", code=1)
    assert gone.error["code"] == "COUPON_INVALID_OR_USED"
    near = operator("admin", "coupon", "show", "MANI-2026", "--json", code=5).error
    assert near["code"] == "COUPON_NOT_FOUND" and "MANY-2026" in near["hint"]

    price = ("--name", "Muse", "--type", "practice", "--model", "practice", "--luna-cost", "2")
    admin(operator, "model", "put", "009", *price)
    assert {(row["id"], row["name"]) for row in admin(operator, "model", "list")} >= {("009", "Muse")}
    assert operator("admin", "model", "delete", "Muse", "--json", code=2).error["code"] == "USAGE"
    assert admin(operator, "model", "delete", "muse", "--yes")["id"] == "009"
    assert (
        operator("admin", "model", "delete", "Muse", "--yes", "--json", code=5).error["code"]
        == "MODEL_NOT_FOUND"
    )

    (listed,) = admin(operator, "user", "list")
    assert (listed["id"], listed["name"]) == (me["id"], me["email"])
    assert admin(operator, "user", "list", "--match", "nobody") == []
    shown = admin(operator, "user", "show", me["email"])
    assert shown["wallet"]["starCoin"] == 105 and shown["ledger"]["totalStarCoinGain"] == 105
    assert shown["invite"]["inviteCode"] and shown["discrepancies"] == [] and shown["session"]["issued_at"]
    moved = admin(operator, "user", "history", me["id"], "--limit", "2")
    assert moved[0]["id"] == "coupon/MANY-2026" and moved[0]["amount"] == 5 and len(moved) == 2
    assert operator("admin", "user", "erase", me["id"], "--json", code=2).error["code"] == "USAGE"


def test_an_account_is_looked_at_by_a_beginning_but_paid_and_erased_by_its_whole_name(
    operator: Program,
) -> None:
    admin(operator, "provision")
    address = operator("account", "show", "--json").json["profile"]["email"]
    user = admin(operator, "user", "show", address)["id"]
    begun = address.partition("@")[0].upper()
    assert admin(operator, "user", "show", begun)["id"] == user
    assert [row["kind"] for row in admin(operator, "user", "history", user[:8])] == ["init", "init"]
    for words in (("credit", begun, "--star", "5"), ("lux", begun, "1"), ("erase", f"x{address}", "--yes")):
        refused = operator("admin", "user", *words, "--json", code=5).error
        assert refused["code"] == "USER_NOT_FOUND" and address in refused["hint"]
    assert operator("admin", "user", "show", "zzzzzz", "--json", code=5).error["code"] == "USER_NOT_FOUND"
    assert operator("admin", "user", "show", "", "--json", code=2).error["code"] == "USAGE"
    assert admin(operator, "user", "show", address)["wallet"]["starCoin"] == 100


@pytest.mark.skipif(os.name != "posix", reason="a pty is needed")
def test_what_operators_read_is_in_their_language(program: Program, home: Path, tmp_path: Path) -> None:
    program("account", "show")

    def shown(*words: str) -> str:
        return on_a_terminal(home, tmp_path, *words, columns=120, LUNALUX_LANG="zh", NO_COLOR="1").decode()

    stands, planned = shown("admin", "status"), shown("admin", "provision", "--dry-run")
    assert "排行 en hot" in stands and "清理" in stands and "尚未运行" in stands
    assert "数据表 user_table (PK, SK)，TTL expiresAt，时间点恢复" in planned and "索引 GSI_HOT" in planned
    english = ("ranking", "waiting", "never", "reservations", "table user", "index", "bucket", "expire after")
    assert not [words for words in english if words in stands + planned]
    program("admin", "coupon", "create", "GIFT", "--currency", "star", "--amount", "5")
    program("admin", "coupon", "create", "OLD", "--currency", "luna", "--amount", "5")
    program("wallet", "redeem", "OLD")
    listed, one = shown("admin", "coupon", "list"), shown("admin", "coupon", "show", "GIFT")
    assert "可兑换" in listed and "已用完" in listed and "星币" in listed
    assert "状态" in one and "发放次数" in one and not re.search("[a-z]{4}", one.replace("null", ""))
    assert "已完成" in shown("wallet", "history") and "兑换码" in shown("wallet", "history")
    rows = sqlite3.connect(next(home.rglob("backend.db")))
    rows.execute("UPDATE user_wallet_table SET doc = json_set(doc, '$.luxLevel', 7) WHERE sk = 'WALLET'")
    rows.execute("UPDATE coupons_table SET doc = json_set(doc, '$.amount', 'x') WHERE pk = 'COUPON#GIFT'")
    rows.commit()
    moving = shown("admin", "adopt", "--dry-run")
    assert "修正  user_wallet_table" in moving and "luxLevel 7 → 2" in moving
    assert "请查看" in moving and "没有人能兑换这个兑换码" in moving
    assert "nobody can claim" in program("admin", "adopt", "--dry-run", LUNALUX_LANG="zh", code=7).out


def test_a_new_price_is_known_once_the_list_is_asked_for_anew(program: Program) -> None:
    assert "official:005" not in {row["name"] for row in program("model", "list", "--json").json["official"]}
    admin(program, "model", "put", "005", "--name", "Muse", "--type", "practice", "--model", "practice")
    listed = program("model", "list", "--refresh", "--json").json["official"]
    assert "official:005" in {row["name"] for row in listed}
    told = program("admin", "coupon", "create", "ONCE", "--currency", "star", "--amount", "5").out
    assert "claims\t1" in told


def test_adopt_and_status_on_a_service_that_is_in_order(operator: Program) -> None:
    admin(operator, "provision")
    user = operator("account", "show", "--json").json["profile"]["id"]
    planned = admin(operator, "adopt", "--dry-run")
    assert planned["dry_run"] and planned["changes"] == planned["look"] == []
    assert sum(table["rows"] for table in planned["tables"]) > 0
    assert admin(operator, "adopt")["actions"] == {}
    stands = admin(operator, "status")
    assert stands["ok"] and {table["name"] for table in stands["tables"]} >= {"user_table", "coupons_table"}
    assert {(row["lang"], row["sort"]) for row in stands["rankings"]} == {
        (lang, sort) for lang in ("en", "zh") for sort in ("hot", "new")
    }
    assert all(row["dirty"] == 0 for row in stands["rankings"])
    assert stands["reservations"] == {"open": 0, "oldest_age_s": None} and stands["versions"]["prices"]
    assert user


def test_books_that_disagree_are_repaired_by_a_movement(program: Program, home: Path) -> None:
    user = program("account", "show", "--json").json["profile"]["id"]
    (database,) = Path(json.loads(program("paths", "--json").out)["backend"]).rglob("backend.db")
    with sqlite3.connect(database) as rows:
        for table, sk, path, value in (
            ("user_wallet_table", "WALLET", "starCoin", 93),
            ("user_wallet_table", "WALLET", "lunaCoin", -4),
            ("ledger_summary_table", "LEDGER_SUMMARY", "totalStarCoinUsed", 30),
        ):
            rows.execute(f"UPDATE {table} SET doc = json_set(doc, '$.{path}', {value}) WHERE sk = '{sk}'")
    assert len(admin(program, "reconcile", code=7)["discrepancies"]) == 2
    mended = admin(program, "reconcile", "--repair")
    assert mended["ok"] and {row["currency"]: row["repair"] for row in mended["discrepancies"]} == {
        "star": -7,
        "luna": -100,
    }
    assert admin(program, "reconcile") == {"ok": True, "users": 1, "discrepancies": []}
    shown = admin(program, "user", "show", user)
    assert (shown["wallet"]["starCoin"], shown["wallet"]["lunaCoin"]) == (93, 0)
    history = admin(program, "user", "history", user)
    written = {row["currency"]: row for row in history if row["id"].startswith("repair/")}
    assert {currency: row["amount"] for currency, row in written.items()} == {"star": -7, "luna": -100}


def test_what_no_storage_can_hold_is_refused_in_a_sentence_and_changes_nothing(operator: Program) -> None:
    admin(operator, "provision")
    user = operator("account", "show", "--json").json["profile"]["id"]
    much, long = str(10**40), "x" * 3000
    muse = ("model", "put", "009", "--type", "openai", "--model", "m")
    refused = (
        ("user", "credit", user, "--star", much),
        ("user", "credit", user, "--star", str(2**53)),
        (*muse, "--name", "M", "--star-cost", much),
        (*muse, "--name", "M", "--sort-order", str(2**53)),
        (*muse, "--name", "M", "--max-output-tokens", much),
        (*muse, "--name", long),
        (*muse, "--name", "M\x1b[31m"),
        ("model", "put", long, "--name", "M", "--type", "openai", "--model", "m"),
        ("coupon", "create", "C", "--currency", "star", "--amount", much),
        ("coupon", "create", long, "--currency", "star", "--amount", "1"),
    )
    for arguments in refused:
        assert operator("admin", *arguments, "--json", code=1).error["code"] == "INVALID_REQUEST", arguments
    for arguments, code in (
        (("user", "show", long), "USER_NOT_FOUND"),
        (("user", "credit", f"{long}@example.org", "--star", "1"), "USER_NOT_FOUND"),
        (("market", "hide", long), "CHARACTER_NOT_FOUND"),
        (("market", "remove", long, "--yes"), "CHARACTER_NOT_FOUND"),
        (("coupon", "show", long), "COUPON_NOT_FOUND"),
        (("model", "delete", long, "--yes"), "MODEL_NOT_FOUND"),
    ):
        assert operator("admin", *arguments, "--json", code=5).error["code"] == code, arguments
    chinese = operator("admin", "user", "credit", user, "--star", "-900", code=4, LUNALUX_LANG="zh")
    assert "900" in chinese.err and "回复" not in chinese.err
    wallet = admin(operator, "user", "show", user)["wallet"]
    assert (wallet["starCoin"], wallet["lunaCoin"]) == (100, 100)


def test_coins_of_both_kinds_are_given_and_taken_together_or_not_at_all(operator: Program) -> None:
    admin(operator, "provision")
    user = operator("account", "show", "--json").json["profile"]["id"]
    for star, luna in (("5", "-900"), ("-900", "5"), ("-5", "-900")):
        pair = ("user", "credit", user, "--star", star, "--luna", luna)
        assert operator("admin", *pair, "--json", code=4).error["code"] == "INSUFFICIENT_FUNDS"
    assert len(admin(operator, "user", "history", user)) == 2  # the first coins
    wallet = admin(operator, "user", "credit", user, "--star", "5", "--luna", "-100")
    assert (wallet["starCoin"], wallet["lunaCoin"]) == (105, 0)
