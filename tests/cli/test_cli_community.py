"""Market, account and wallet from the command line: the backend inside, and one that is served."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_program import Program
from served_backend import Served, serve

MakeCard = Callable[..., Path]
PASSWORD = "a long enough passphrase 7"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("served"))


@pytest.fixture
def remote(served: Served, program: Program) -> Program:
    """The program against the served backend."""

    def run(*arguments: str, **options: object) -> object:
        return program(*arguments, LUNALUX_API_URL=served.url, **options)

    return run  # type: ignore[return-value]


def test_with_nothing_set_up_the_whole_way_works(program: Program, make_card: MakeCard) -> None:
    wallet = program("wallet", "show", "--json").json
    assert wallet == {
        "luxLevel": 0,
        "starCoin": 100,
        "lunaCoin": 100,
        "ledger": {
            "totalStarCoinUsed": 0,
            "totalStarCoinGain": 100,
            "totalLunaCoinUsed": 0,
            "totalLunaCoinGain": 100,
        },
    }
    listed = program("market", "list", "--lang", "en", "--json").json
    assert listed and {row["language"] for row in listed} == {"en"}
    card = make_card("Ada", description="A keeper of lights.")
    options = ("--lang", "en", "--intro", "She keeps the light.", "--tag", "cosy")
    identity = program("market", "publish", str(card), *options).out.strip()
    found = program("market", "search", "keeps LIGHT", "--sort", "new", "--refresh", "--json").json
    assert [one["id"] for one in found] == [identity]
    local = program("market", "download", identity).out.strip()
    shown = program("character", "show", local, "--json").json
    assert shown["marketBinding"] == {"active": True, "characterId": identity}
    assert program("market", "like", identity, "--json").json["sent"] is True
    reply = program("chat", local, "-m", "Hello", "--official", "002", "--json").json
    assert reply["billing"] == {"method": "star", "cost": 5, "modelId": "002"}
    assert program("wallet", "show", "--json").json["starCoin"] == 95
    (last, *_) = program("wallet", "history", "--json").json
    assert (last["kind"], last["amount"], last["currency"]) == ("charge", -5, "star")


def test_a_paid_reply_says_what_it_cost_and_what_is_left(program: Program) -> None:
    result = program("chat", "Marigold Finch", "-m", "Hi", "--official", "002")
    assert result.err.splitlines()[-1] == "5 star · 95 left" and "star" not in result.out.splitlines()[-1]
    assert "left" not in program("chat", "Marigold Finch", "-m", "Hi").err


def test_an_official_reply_that_is_too_dear_is_4(program: Program) -> None:
    program("wallet", "show")
    program("admin", "user", "credit", "me@lunalux.local", "--star", "-97", "--luna", "-99")
    result = program("chat", "Marigold Finch", "-m", "Hi", "--official", "002", "--json", code=4)
    assert result.error["code"] in {"INSUFFICIENT_FUNDS", "PAYMENT_NOT_SUPPORTED"} and result.out == ""
    result = program("chat", "Marigold Finch", "-m", "Hi", "--official", "999", "--json", code=5)
    assert result.error["code"] in {"MODEL_UNKNOWN", "MODEL_NOT_FOUND"}


def test_sign_up_in_and_out_over_the_network(remote: Program, served: Served) -> None:
    assert remote("account", "show", "--json", code=3).error["code"] == "UNAUTHORIZED"
    assert remote("wallet", "show", "--json", code=3).error["code"] == "UNAUTHORIZED"
    result = remote("account", "signup", "ada@example.org", "--json", stdin=f"{PASSWORD}\n").json
    assert result["confirmed"] is True and result["session"]["signed_in"] is True
    assert remote("account", "username", "ada_l", "--json").json["profile"]["username"] == "ada_l"
    shown = remote("account", "show", "--json").json
    assert shown["profile"]["email"] == "ada@example.org" and shown["session"]["local"] is False
    assert "token" not in json.dumps(shown).lower()
    remote("account", "logout")
    assert remote("account", "show", "--json", code=3).error["code"] == "UNAUTHORIZED"
    wrong = remote(
        "account", "login", "ada@example.org", "--password-stdin", "--json", stdin="no\n", code=None
    )
    assert wrong.code in {1, 3} and wrong.error["code"] == "BAD_CREDENTIALS"
    remote("account", "login", " ada@example.org ", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert remote("account", "show", "--json").json["profile"]["username"] == "ada_l"
    assert remote("account", "login", "ada@example.org", "--json", stdin="", code=2).error["code"] == "USAGE"


def test_another_device_ends_the_session_with_3(remote: Program, tmp_path: Path) -> None:
    secret = {"stdin": f"{PASSWORD}\n"}
    remote("account", "signup", "two@example.org", **secret)
    remote("account", "login", "two@example.org", LUNALUX_HOME=str(tmp_path / "other"), **secret)
    result = remote("wallet", "redeem", "ANY", "--json", code=3)
    assert result.error["code"] == "SESSION_TAKEN_OVER"
    assert remote("wallet", "show", "--json", code=3).error["code"] == "SESSION_TAKEN_OVER"


def test_coupons(remote: Program, served: Served) -> None:
    remote("account", "signup", "coupon@example.org", stdin=f"{PASSWORD}\n")
    code = served.coupon("GIFT-77", 25, "luna")
    result = remote("wallet", "redeem", f" {code[:4]} -７７", "--json").json
    assert (result["currency"], result["amount"], result["lunaCoin"]) == ("luna", 25, 125)
    assert remote("wallet", "redeem", "NOPE", "--json", code=1).error["code"] == "COUPON_INVALID_OR_USED"
    assert remote("wallet", "invites", "--json").json["inviteCode"]
    assert remote("wallet", "settle", "--json").json["settledTimes"] == 0


def test_an_unreachable_backend_is_6(program: Program) -> None:
    away = {"LUNALUX_API_URL": "http://127.0.0.1:9"}
    assert program("market", "list", "--json", code=6, **away).error["code"] == "BACKEND_UNREACHABLE"
    assert program("market", "search", "x", "--json", code=6, **away).error["code"] == "BACKEND_UNREACHABLE"
    assert program("wallet", "show", "--json", code=6, **away).error["code"] == "BACKEND_UNREACHABLE"


def test_a_stale_list_is_shown_with_its_age_when_the_backend_is_down(
    program: Program, home: Path, served: Served
) -> None:
    import sqlite3

    program("account", "signup", "stale@example.org", stdin=f"{PASSWORD}\n", LUNALUX_API_URL=served.url)
    known = program("market", "list", "--json", LUNALUX_API_URL=served.url).json
    with sqlite3.connect(home / "cache" / "market.db") as cache:
        cache.execute("UPDATE lists SET place = 'http://127.0.0.1:9', expires_at = stored_at")
    cache.close()
    with sqlite3.connect(home / "data" / "library.db") as library:
        library.execute(
            "UPDATE cache SET key = 'account:http://127.0.0.1:9' WHERE key = ?", (f"account:{served.url}",)
        )
    library.close()
    secrets = home / "data" / "credentials.json"
    secrets.write_text(secrets.read_text().replace(served.url, "http://127.0.0.1:9"))
    away = {"LUNALUX_API_URL": "http://127.0.0.1:9"}
    shown = program("market", "list", "--json", **away)
    assert [one["id"] for one in shown.json] == [one["id"] for one in known]
    assert "ago" in shown.err
    wallet = program("wallet", "show", "--json", **away)
    assert wallet.json["starCoin"] == 100 and "last known" in wallet.err


def test_publish_in_batches(program: Program, make_card: MakeCard, tmp_path: Path) -> None:
    make_card("Bea", "batch/bea.png")
    make_card("Cleo", "batch/cleo.json")
    entries = [
        {"path": "bea.png", "lang": "en", "intro": "Bea bakes.", "tags": ["cosy"]},
        {"path": "cleo.json", "lang": "zh", "intro": "Cleo sails."},
        {"path": "../outside.png", "lang": "en", "intro": "x"},
        {"path": "missing.png", "lang": "en", "intro": "x"},
        {"path": "bea.png", "lang": "en", "intro": ""},
    ]
    (tmp_path / "batch" / "manifest.json").write_text(json.dumps(entries))
    result = program("market", "publish", "batch", "--json", code=7).lines
    assert [one.get("status") for one in result[:-1]] == [
        "published",
        "published",
        "failed",
        "failed",
        "skipped",
    ]
    assert result[-1]["summary"] == {"published": 2, "skipped": 1, "failed": 2}
    again = program("market", "publish", "batch", "--json", code=7).lines
    assert again[-1]["summary"] == {"published": 0, "skipped": 3, "failed": 2}


def test_publish_needs_language_and_intro(program: Program, make_card: MakeCard) -> None:
    card = str(make_card("Ada"))
    assert program("market", "publish", card, "--intro", "x", "--json", code=2).error["code"] == "USAGE"
    result = program("market", "publish", card, "--lang", "en", "--json", code=2)
    assert result.error["code"] == "INTRO_REQUIRED"


def test_operators(program: Program, make_card: MakeCard) -> None:
    planned = program("admin", "provision", "--dry-run", "--json").json
    tables = {table["name"]: table for table in planned["tables"]}
    assert {"user_table", "user_wallet_table", "coupons_table", "character_table_EN"} <= set(tables)
    assert [index["name"] for index in tables["character_table_CN"]["indexes"]] == [
        "GSI_DIRTY_HOT",
        "GSI_HOT",
        "GSI_DIRTY_TIME",
        "GSI_TIME",
    ]
    assert planned["bucket"]["name"] == "character-cards"
    program("admin", "provision")
    user = program("account", "show", "--json").json["profile"]["id"]
    credited = program("admin", "user", "credit", user, "--star", "7", "--luna", "2", "--json").json
    assert (credited["starCoin"], credited["lunaCoin"]) == (107, 102)
    assert program("admin", "user", "lux", "me@lunalux.local", "2", "--json").json["luxLevel"] == 2
    assert program("wallet", "show", "--json").json["luxLevel"] == 2
    price = ("--name", "Muse", "--type", "practice", "--model", "practice", "--luna-cost", "2")
    assert program("admin", "model", "put", "009", *price, "--json").json["lunaCost"] == 2
    assert "009" in {row["modelId"] for row in program("admin", "model", "list", "--json").json}
    made = ("GIFT", "--currency", "star", "--amount", "5", "--claims", "3")
    assert program("admin", "coupon", "create", *made, "--json").json["claims"] == 3
    assert program("admin", "coupon", "create", *made, "--json", code=1).error["code"] == "COUPON_EXISTS"
    options = ("--lang", "en", "--intro", "Here.")
    identity = program("market", "publish", str(make_card("Ada")), *options).out.strip()
    program("admin", "market", "hide", identity)
    hidden = program("market", "list", "--sort", "new", "--refresh", "--json").json
    program("admin", "market", "restore", identity)
    back = program("market", "list", "--sort", "new", "--refresh", "--json").json
    assert identity not in {one["id"] for one in hidden} and identity in {one["id"] for one in back}
    program("admin", "market", "remove", identity, "--yes")
    assert program("market", "download", identity, "--json", code=5).error["code"] == "CHARACTER_NOT_FOUND"
    assert {row["sort"] for row in program("admin", "rank", "--lang", "en", "--json").json} == {"hot", "new"}
    assert program("admin", "migrate-sk", "--dry-run", "--json").json == {
        "moved": 0,
        "doubled": [],
        "dryRun": True,
    }
    assert program("admin", "reconcile", "--json").json == {"ok": True, "users": 1, "discrepancies": []}
    assert program("admin", "user", "credit", "nobody@x.org", "--star", "1", "--json", code=5).error["code"]
    assert program("admin", "rank", "--storage", "tape", "--json", code=2).error["code"] == "USAGE"


def test_serve_tells_misconfiguration_in_a_sentence(program: Program, served: Served) -> None:
    result = program("serve", "--port", str(served.port), code=1)
    assert len(result.err.splitlines()) == 1 and str(served.port) in result.err
    result = program("serve", "--port", "0", HOT_TOP_LIMIT="many", code=1)
    assert "HOT_TOP_LIMIT" in result.err and len(result.err.splitlines()) == 1
    result = program("serve", "--port", "0", "--storage", "aws", code=1, SESSION_SECRET="")
    assert "SESSION_SECRET" in result.err.splitlines()[-1]


@pytest.mark.skipif(os.name != "posix", reason="ends by signal")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_ends_in_good_order(tmp_path: Path, program: Program, workers: str) -> None:
    server = serve(tmp_path / "served", "--workers", workers)
    running = next(server)
    signed = program(
        "account", "signup", "w@example.org", "--json", stdin=f"{PASSWORD}\n", LUNALUX_API_URL=running.url
    )
    assert signed.json["confirmed"]
    for _ in range(3):
        program("wallet", "show", "--json", LUNALUX_API_URL=running.url)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(40) == 0
    server.close()  # type: ignore[attr-defined]


def test_an_account_is_erased_only_on_purpose(program: Program, remote: Program) -> None:
    signup = ("account", "signup", "grace@example.org", "--password-stdin", "--json")
    first = remote(*signup, stdin=f"{PASSWORD}\n").json["profile"]["id"]
    assert remote("account", "erase", "--json", code=2, stdin=f"{PASSWORD}\n").error["code"] == "USAGE"
    erase = ("account", "erase", "--yes", "--password-stdin", "--json")
    wrong = remote(*erase, stdin="not the password 1\n", code=1).error
    assert wrong["code"] == "BAD_CREDENTIALS" and "Nothing was erased" in wrong["hint"]
    assert remote(*erase, stdin=f"{PASSWORD}\n").json == {"user_id": first, "erased": True}
    assert remote(*erase, stdin=f"{PASSWORD}\n", code=3).error["code"] == "UNAUTHORIZED"
    assert remote(*signup, stdin=f"{PASSWORD}\n").json["profile"]["id"] != first


def test_the_local_account_is_erased_without_a_password(program: Program, make_card: MakeCard) -> None:
    program("import", str(make_card("Ada")))
    before = program("account", "show", "--json").json["profile"]["id"]
    assert program("account", "erase", "--yes", "--json").json == {"user_id": before, "erased": True}
    program("account", "show", "--json", code=3)
    assert [row["name"] for row in program("character", "list", "Ada", "--json").json] == ["Ada"]
    assert program("account", "login", "--json").json["profile"]["id"] != before


def test_authors_look_after_their_cards(program: Program, make_card: MakeCard) -> None:
    card = make_card("Wren")
    identity = program("market", "publish", str(card), "--lang", "en", "--intro", "A bird.").out.strip()
    (mine,) = program("market", "mine", "--json").json
    assert (mine["id"], mine["name"], mine["status"], mine["intro"]) == (
        identity,
        "Wren",
        "active",
        "A bird.",
    )
    edited = program("market", "edit", identity, "--intro", "A small bird.", "--tag", "night", "--json").json
    assert edited == {"id": identity, "intro": "A small bird.", "tags": ["night"]}
    shown = program("market", "list", "--lang", "en", "--sort", "new", "--refresh", "--json").json
    assert {one["id"]: one["intro"] for one in shown}[identity] == "A small bird."
    assert program("market", "edit", identity, code=2)
    assert program("market", "report", identity, "--reason", "Too loud.", "--json").json["reported"]
    assert program("market", "withdraw", identity, "--json", code=2).error["code"] == "USAGE"
    assert program("market", "withdraw", identity, "--yes", "--json").json == {
        "id": identity,
        "withdrawn": True,
    }
    assert program("market", "mine", "--json").json == []
    assert (
        program("market", "withdraw", identity, "--yes", "--json", code=5).error["code"]
        == "CHARACTER_NOT_FOUND"
    )


def test_a_dearer_price_is_refused_without_a_terminal_until_it_is_accepted(program: Program) -> None:
    program("account", "show")
    put = ("admin", "model", "put", "002", "--name", "Lamp", "--type", "practice", "--model", "practice")
    program(*put, "--free-level", "-1", "--star-cost", "9")
    ask = ("chat", "Marigold Finch", "-m", "Hello", "--official", "002", "--json")
    for _ in range(2):
        assert program(*ask, code=4).error["code"] == "PRICE_CHANGED"
    assert program("wallet", "show", "--json").json["starCoin"] == 100
    paid = program(*ask, "--accept-price").json
    assert paid["billing"]["cost"] == 9
    assert program(*ask).json["billing"]["cost"] == 9
