"""Accounts, wallets, invites and coupons over HTTP: every route's answer and every code."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from api_support import PASSWORD, URL, Api, backend, bad, good

from lunalux_core.backend.repos import invites
from lunalux_core.backend.running import logs
from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.signatures import digest
from lunalux_core.backend.storage.foreign_values import LARGEST
from lunalux_core.backend.storage.windows import Rule
from lunalux_core.backend.web import limits


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    settings = BackendSettings(invited_reward_star=20, invite_threshold=2, invite_milestone_star=50)
    async with backend(tmp_path, settings) as api:
        yield api


async def test_from_sign_up_to_a_wallet(api: Api) -> None:
    body = {"email": "Ada@Example.org", "password": PASSWORD}
    signed_up = good(await api.http.post("/api/auth/signup", json=body))
    assert signed_up["confirmed"] is True
    signed_in = good(await api.http.post("/api/auth/signin", json=body))
    assert signed_in["userId"] == signed_up["userId"] and signed_in["email"] == "ada@example.org"
    assert "username" not in signed_in  # as everywhere: what there is not is left out
    ada = await api.sign_in("ada@example.org")
    assert good(await ada.get("/api/session/validate")) == {"success": True, "userId": ada.user_id}
    bad(await ada.get("/api/user/me"), 404, "USER_NOT_FOUND")
    bad(await ada.get("/api/wallet/me"), 404, "WALLET_NOT_FOUND")
    bad(await ada.get("/api/ledger/summary/me"), 404, "WALLET_NOT_FOUND")
    first = good(await ada.post("/api/user/init", {"email": "someone-else@example.org"}))
    assert first["user"] == {"id": ada.user_id, "email": "ada@example.org"}
    assert first["wallet"] == {"userId": ada.user_id, "luxLevel": 0, "starCoin": 100, "lunaCoin": 100}
    assert first["ledger"]["totalStarCoinGain"] == first["ledger"]["totalLunaCoinGain"] == 100
    assert first["invite"]["totalInvites"] == 0 and first["invite"]["inviteCode"]
    # A client that lost its own copy of the address is let in all the same.
    for body in ({"email": "ada@example.org"}, {"email": ""}, {"email": None}, {}):
        assert good(await ada.post("/api/user/init", body)) == first
    assert good(await ada.get("/api/wallet/me"))["wallet"] == first["wallet"]
    assert good(await ada.get("/api/ledger/summary/me"))["ledger"] == first["ledger"]
    assert good(await ada.get("/api/invite/me"))["invite"] == first["invite"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("signup", {"email": "ada@example.org", "password": "short"}, 400, "WEAK_PASSWORD"),
        ("signup", {"email": "no address", "password": PASSWORD}, 400, "INVALID_REQUEST"),
        ("signup", {"email": "ada@example.org"}, 400, "INVALID_REQUEST"),
        ("signup", {"email": ["ada@example.org"], "password": PASSWORD}, 400, "INVALID_REQUEST"),
        ("signup", [], 400, "INVALID_REQUEST"),
        ("signin", {"email": "ada@example.org", "password": PASSWORD}, 401, "BAD_CREDENTIALS"),
        ("confirm", {"email": "ada@example.org", "code": "123456"}, 400, "CODE_INVALID"),
        (
            "reset",
            {"email": "ada@example.org", "code": "123456", "password": PASSWORD},
            400,
            "CODE_INVALID",
        ),
        ("reset", {"email": "a@example.org", "code": "1", "password": "short"}, 400, "WEAK_PASSWORD"),
        ("refresh", {}, 401, "UNAUTHORIZED"),
    ],
)
async def test_refused_credentials(api: Api, path: str, body: object, status: int, code: str) -> None:
    bad(await api.http.post(f"/api/auth/{path}", json=body), status, code)


AUTH_BODIES = {
    "signup": {"password": PASSWORD},
    "signin": {"password": PASSWORD},
    "confirm": {"code": "123456"},
    "resend": {},
    "forgot": {},
    "reset": {"code": "123456", "password": PASSWORD},
}
ODD_ADDRESSES = (
    "\ufdfa" * 200 + "@a.b",  # eighteen letters each, as it is kept
    "x\ufe6by@z.org",  # two @, as it is kept
    "x@y\u00a0.org",
    "a\x9bb@x.org",
    "a\u200bb@x.org",
    "a\u202eb@x.org",
    "ab@x\xad.org",
    "\u2028@x.org",
    "@x.org",
    "a@",
    "x" * 251 + "@a.b",
)


@pytest.mark.parametrize("path", AUTH_BODIES)
async def test_no_address_makes_trouble_in_the_store(
    api: Api, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    for email in ODD_ADDRESSES:
        body = {"email": email, **AUTH_BODIES[path]}
        bad(await api.http.post(f"/api/auth/{path}", json=body), 400, "INVALID_REQUEST")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_the_log_has_of_no_address_more_than_a_letter_and_the_domain(tmp_path: Path) -> None:
    names = ("alice", "alice!#$s", "alice/s", "o'alice", "alice(work)", "<alice", "alice@", '"alice')
    out = io.StringIO()
    handler = logs.configure("INFO", out)
    try:
        async with backend(tmp_path, require_confirmation=True) as api:
            for domain in ("x.org", "intranet", "[127.0.0.1]"):
                for name in names:
                    body = {"email": f"{name}@{domain}", "password": PASSWORD}
                    answer = await api.http.post("/api/auth/signup", json=body)
                    assert answer.status_code == (400 if "@" in name else 200)
    finally:
        logs.logger.removeHandler(handler)
        logs.logger.propagate = True
        logs.logger.setLevel(logging.NOTSET)
    told = [json.loads(line)["message"] for line in out.getvalue().splitlines()]
    told = [message for message in told if "code for" in message]
    assert len(told) == 3 * (len(names) - 1)
    assert all(
        re.search(r"code for [<\"]?[ao]…@(x\.org|intranet|\[127\.0\.0\.1\]): \d{6}$", line) for line in told
    )
    assert "alice" not in out.getvalue() and "lice" not in out.getvalue()


async def test_a_taken_address(api: Api) -> None:
    await api.person()
    body = {"email": "ADA@example.org", "password": PASSWORD}
    bad(await api.http.post("/api/auth/signup", json=body), 409, "EMAIL_TAKEN")


async def test_with_codes_the_log_has_them_and_a_taken_address_is_told_last(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "lunalux.backend")

    def code() -> str:
        return str(re.findall(r"code for \S+: (\d{6})", caplog.text)[-1])

    async with backend(tmp_path, require_confirmation=True) as api:
        body = {"email": "ada@example.org", "password": PASSWORD}
        assert good(await api.http.post("/api/auth/signup", json=body))["confirmed"] is False
        bad(await api.http.post("/api/auth/signin", json=body), 403, "USER_NOT_CONFIRMED")
        good(await api.http.post("/api/auth/resend", json=body))
        api.clock.forward(16 * 60)
        confirm = {"email": "ada@example.org", "code": code()}
        bad(await api.http.post("/api/auth/confirm", json=confirm), 400, "CODE_EXPIRED")
        good(await api.http.post("/api/auth/resend", json=body))
        good(await api.http.post("/api/auth/confirm", json={**confirm, "code": code()}))
        ada = await api.sign_in("ada@example.org")
        assert good(await api.http.post("/api/auth/signup", json=body))["confirmed"] is False
        taken = {**confirm, "code": code()}
        bad(await api.http.post("/api/auth/confirm", json=taken), 409, "EMAIL_TAKEN")
        good(await api.http.post("/api/auth/forgot", json=body))
        reset = {**confirm, "code": code(), "password": "another quiet password"}
        good(await api.http.post("/api/auth/reset", json=reset))
        bad(await ada.get("/api/session/validate"), 401, "UNAUTHORIZED")
        bad(await api.http.post("/api/auth/signin", json=body), 401, "BAD_CREDENTIALS")


async def test_mails_to_unknown_addresses_look_the_same(api: Api) -> None:
    for path in ("resend", "forgot"):
        good(await api.http.post(f"/api/auth/{path}", json={"email": "nobody@example.org"}))


async def test_usernames(api: Api) -> None:
    ada, bob = await api.person(), await api.person("bob")
    named = good(await ada.post("/api/user/username", {"username": "Luna_Fan"}))
    assert named["user"] == {"id": ada.user_id, "email": "ada@example.org", "username": "Luna_Fan"}
    bad(await bob.post("/api/user/username", {"username": "lUNA_fAN"}), 409, "USERNAME_TAKEN")
    again = good(await ada.post("/api/user/username", {"username": "LUNA_fan"}))
    assert again["user"]["username"] == "LUNA_fan"
    good(await ada.post("/api/user/username", {"username": "Somebody_else"}))
    good(await bob.post("/api/user/username", {"username": "luna_fan"}))
    for wrong in ("ab", "x" * 25, "admin", "right\u202eleft", "a\u200bbcd", "\x1b[31mred", ""):
        bad(await bob.post("/api/user/username", {"username": wrong}), 400, "USERNAME_INVALID")
    assert good(await bob.get("/api/user/me"))["user"]["username"] == "luna_fan"
    body = {"email": "bob@example.org", "password": PASSWORD}
    assert good(await api.http.post("/api/auth/signin", json=body))["username"] == "luna_fan"
    eve = await api.person("eve", init=False)
    bad(await eve.post("/api/user/username", {"username": "evening"}), 404, "USER_NOT_FOUND")


async def test_a_username_has_one_owner_whoever_is_faster(api: Api) -> None:
    people = [await api.person(f"p{n}") for n in range(4)]
    answers = await asyncio.gather(
        *(p.post("/api/user/username", {"username": "the_one"}) for p in people for _ in range(3))
    )
    winners = {a.json()["user"]["id"] for a in answers if a.status_code == 200}
    assert len(winners) == 1


async def test_an_invitation_pays_both_once(api: Api) -> None:
    ada = await api.person()
    code = good(await ada.get("/api/invite/me"))["invite"]["inviteCode"]
    bob = await api.person("bob", referral=code)
    assert (await bob.wallet())["starCoin"] == 120
    good(await bob.post("/api/user/init", {"email": "bob@example.org", "referralCode": code}))
    assert (await bob.wallet())["starCoin"] == 120
    own = good(await ada.post("/api/user/init", {"email": "ada@example.org", "referralCode": code}))
    assert own["invite"]["totalInvites"] == 1 and own["wallet"]["starCoin"] == 100
    none = good(await ada.post("/api/invite/settle/me"))
    assert (none["settledTimes"], none["rewardStar"]) == (0, 0)
    await api.person("carol", referral=code)
    paid = good(await ada.post("/api/invite/settle/me"))
    assert (paid["settledTimes"], paid["rewardStar"], paid["wallet"]["starCoin"]) == (1, 50, 150)
    assert paid["invite"]["totalInvites"] == 2 and paid["invite"]["unissuedRewardCount"] == 0
    assert good(await ada.post("/api/invite/settle/me"))["settledTimes"] == 0
    assert await api.services.sweeper.check(ada.user_id) == []


async def _arrives(api: Api, name: str, code: str) -> tuple[int, bool | None]:
    """A new account with an invitation: its star coins, and whether it is told that it was invited."""
    person = await api.person(name, init=False)
    made = good(await person.post("/api/user/init", {"referralCode": code}))
    return made["wallet"]["starCoin"], made.get("referralAccepted")


async def test_an_address_brings_only_so_many_invited_accounts_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invites, "INVITED_ADDRESS", Rule("invited-ip", 2, 86_400))
    async with backend(tmp_path, served=True, seeded=False, invited_reward_star=20) as api:
        ada = await api.person()
        code = good(await ada.get("/api/invite/me"))["invite"]["inviteCode"]
        assert await _arrives(api, "bob", code) == (120, True)
        bob = await api.sign_in("bob@example.org")
        for _ in range(5):  # the same invitation is the same one
            again = good(await bob.post("/api/user/init", {"referralCode": code}))
            assert again["referralAccepted"] is True
        assert await _arrives(api, "carol", code) == (120, True)
        assert await _arrives(api, "dora", code) == (100, False)  # welcome, but not a reward any more
        assert good(await ada.get("/api/invite/me"))["invite"]["totalInvites"] == 2
        api.clock.forward(86_400)
        assert await _arrives(api, "eve", code) == (120, True)


async def test_nobody_uses_up_an_addresss_invitations_with_codes_that_do_not_count(tmp_path: Path) -> None:
    async with backend(tmp_path, served=True, seeded=False, invited_reward_star=20) as api:
        ada, mallory = await api.person(), await api.person("mallory")
        code = good(await ada.get("/api/invite/me"))["invite"]["inviteCode"]
        own = good(await mallory.get("/api/invite/me"))["invite"]["inviteCode"]
        told = []
        for guess in (*("WRONGCODE1", own) * 15, *(code,) * 15):
            answer = good(await mallory.post("/api/user/init", {"referralCode": guess}))
            told.append(answer["referralAccepted"])
        # Mallory's guesses are counted against Mallory, who finds no code any more.
        assert told == [False] * 45
        assert await _arrives(api, "bob", code) == (120, True)
        assert good(await ada.get("/api/invite/me"))["invite"]["totalInvites"] == 1
        api.clock.forward(2 * 86_400)
        old = await api.sign_in(mallory.email)
        for _ in range(15):
            late = good(await old.post("/api/user/init", {"referralCode": code}))
            assert late["referralAccepted"] is False
        assert await _arrives(api, "carol", code) == (120, True)


async def test_the_referral_cookie_stands_in_for_the_body(api: Api) -> None:
    ada = await api.person()
    code = good(await ada.get("/api/invite/me"))["invite"]["inviteCode"]
    body = {"email": "bob@example.org", "password": PASSWORD, "referralCode": code}
    answer = await api.http.post("/api/auth/signup", json=body)
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"referral={code.lower()}")
    assert "httponly" in cookie and "samesite=lax" in cookie and "max-age=1800" in cookie
    bob = await api.sign_in("bob@example.org")
    bob.extra["cookie"] = f"referral={code}"
    set_up = await bob.post("/api/user/init", {"email": "bob@example.org"})
    assert good(set_up)["wallet"]["starCoin"] == 120
    assert 'referral=""' in set_up.headers["set-cookie"]


@pytest.mark.parametrize("code", ["灯塔", "a\r\nset-cookie: x=y", "a\x00b", "a;b", " "])
async def test_a_referral_that_no_code_can_be_is_of_no_effect(api: Api, code: str) -> None:
    body = {"email": "bob@example.org", "password": PASSWORD, "referralCode": code}
    answer = await api.http.post("/api/auth/signup", json=body)
    assert good(answer)["confirmed"] is True
    assert "x=y" not in [part.strip() for part in answer.headers.get("set-cookie", "").split(";")[1:]]
    bob = await api.sign_in("bob@example.org")
    set_up = await bob.post("/api/user/init", {"referralCode": code})
    assert good(set_up)["wallet"]["starCoin"] == 100


async def test_coupons(api: Api) -> None:
    ada, bob = await api.person(), await api.person("bob")
    await api.services.coupons.create("ONCE", "star", 30)
    await api.services.coupons.create("THRICE", "luna", 7, 3)
    key = {"idempotency-key": "one-wish"}
    redeemed = good(await ada.post("/api/coupon/redeem", {"coupon": " ONCE "}, **key))
    assert (redeemed["currency"], redeemed["amount"]) == ("star", 30)
    assert redeemed["wallet"]["starCoin"] == 130 and redeemed["ledger"]["totalStarCoinGain"] == 130
    repeated = good(await ada.post("/api/coupon/redeem", {"coupon": "ONCE"}, **key))
    assert repeated == redeemed and (await ada.wallet())["starCoin"] == 130
    for wish in ({}, {"idempotency-key": "another-wish"}):
        again = await ada.post("/api/coupon/redeem", {"coupon": "ONCE"}, **wish)
        bad(again, 400, "COUPON_INVALID_OR_USED")
    odd = await ada.post("/api/coupon/redeem", {"coupon": "ONCE"}, **{"idempotency-key": "a key/"})
    bad(odd, 400, "INVALID_REQUEST")
    for wrong in ("ONCE", "NEVER", "", "x" * 200, "a#b", "once\x00"):
        bad(await bob.post("/api/coupon/redeem", {"coupon": wrong}), 400, "COUPON_INVALID_OR_USED")
    luna = good(await bob.post("/api/coupon/redeem", {"coupon": "THRICE"}))
    assert (luna["currency"], luna["wallet"]["lunaCoin"]) == ("luna", 107)
    eve = await api.person("eve", init=False)
    bad(await eve.post("/api/coupon/redeem", {"coupon": "THRICE"}), 404, "WALLET_NOT_FOUND")


async def test_a_coupon_or_milestone_that_a_wallet_has_no_room_for_stays_as_it_is(api: Api) -> None:
    ada = await api.person()
    code = good(await ada.get("/api/invite/me"))["invite"]["inviteCode"]
    await api.person("bob", referral=code)
    await api.person("carol", referral=code)
    await api.services.wallets.adjust(ada.user_id, "star", LARGEST - 110)
    await api.services.coupons.create("TWENTY", "star", 20, 5)
    before = good(await ada.get("/api/ledger/history/me"))["movements"]
    bad(await ada.post("/api/coupon/redeem", {"coupon": "TWENTY"}), 400, "INVALID_REQUEST")
    bad(await ada.post("/api/invite/settle/me"), 400, "INVALID_REQUEST")
    assert (await ada.wallet())["starCoin"] == LARGEST - 10
    assert good(await ada.get("/api/ledger/history/me"))["movements"] == before
    assert (await api.services.coupons.issued("TWENTY")).left == 5
    assert good(await ada.get("/api/invite/me"))["invite"]["unissuedRewardCount"] == 2
    assert await api.services.sweeper.check(ada.user_id) == []


async def test_history_is_newest_first_in_pages_of_ones_own(api: Api) -> None:
    ada, bob = await api.person(), await api.person("bob")
    for _ in range(3):
        api.clock.forward(1)
        good(await ada.submit(modelId="002"))
    page = good(await ada.get("/api/ledger/history/me", limit=2))
    assert [(m["kind"], m["currency"], m["amount"], m["status"]) for m in page["movements"]] == [
        ("charge", "star", -5, "SETTLED")
    ] * 2
    rest = good(await ada.get("/api/ledger/history/me", cursor=page["nextKey"]))
    assert [m["kind"] for m in rest["movements"]] == ["charge", "init", "init"]
    assert "nextKey" not in rest
    foreign = await bob.get("/api/ledger/history/me", cursor=page["nextKey"])
    bad(foreign, 400, "INVALID_REQUEST")
    bad(await ada.get("/api/ledger/history/me", cursor="LINE#0"), 400, "INVALID_REQUEST")
    bad(await ada.get("/api/ledger/history/me", limit="many"), 400, "INVALID_REQUEST")
    api.clock.forward(2 * 86_400)
    bad(await ada.get("/api/ledger/history/me", cursor=page["nextKey"]), 400, "INVALID_REQUEST")


async def test_the_price_list(api: Api) -> None:
    ada = await api.person()
    configs = good(await ada.get("/api/model-config/list"))["configs"]
    assert [(c["modelId"], c["freeLevel"], c["starCost"], c["lunaCost"]) for c in configs] == [
        ("001", 0, -1, -1),
        ("002", -1, 5, -1),
        ("003", -1, 8, 3),
    ]
    assert {"displayname", "modelType", "modelName", "allowStar", "allowLuna", "sortOrder"} <= set(configs[0])


async def test_guesses_are_limited_for_strangers(tmp_path: Path) -> None:
    async with backend(tmp_path, served=True, seeded=False) as api:
        ada = await api.person()
        guesses = [await ada.post("/api/coupon/redeem", {"coupon": f"GUESS{n}"}) for n in range(22)]
        assert [g.status_code for g in guesses[:20]] == [400] * 20
        bad(guesses[-1], 429, "RATE_LIMITED")
        assert int(guesses[-1].headers["retry-after"]) >= 1
        wrong = {"email": "ada@example.org", "code": "0"}
        codes = [(await api.http.post("/api/auth/confirm", json=wrong)).status_code for _ in range(16)]
        assert codes == [400] * 15 + [429]
        mails = [(await api.http.post("/api/auth/forgot", json=wrong)).status_code for _ in range(6)]
        assert mails == [200] * 5 + [429]


async def test_what_a_crash_left_reserved_comes_back_at_the_next_look(api: Api) -> None:
    from lunalux_core.backend.money.money import Action

    ada = await api.person()
    config = await api.services.models.require("002")
    await api.services.money.reserve(Action(ada.user_id, "lost", "hash"), config)
    assert (await ada.wallet())["starCoin"] == 95
    api.clock.forward(3600)
    assert (await ada.wallet())["starCoin"] == 100


async def test_a_pending_sign_up_belongs_to_who_began_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody else's later sign-up of the address must not be what the mailed code confirms."""
    async with backend(tmp_path, require_confirmation=True, seeded=False) as api:

        async def sign_up(password: str) -> None:
            body = {"email": "ada@example.org", "password": password}
            assert good(await api.http.post("/api/auth/signup", json=body))["confirmed"] is False

        def codes() -> list[str]:
            return re.findall(r"code for \S+: (\d{6})", caplog.text)

        theirs = "the attackers own words"
        await sign_up(PASSWORD)
        await sign_up(theirs)
        assert len(codes()) == 1
        wrong = {"email": "ada@example.org", "code": codes()[0], "password": theirs}
        bad(await api.http.post("/api/auth/confirm", json=wrong), 400, "CODE_INVALID")
        right = {"email": "ada@example.org", "code": codes()[0], "password": PASSWORD}
        good(await api.http.post("/api/auth/confirm", json=right))
        good(await api.http.post("/api/auth/signin", json={"email": right["email"], "password": PASSWORD}))
        body = {"email": right["email"], "password": theirs}
        bad(await api.http.post("/api/auth/signin", json=body), 401, "BAD_CREDENTIALS")


async def test_an_abandoned_sign_up_can_be_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with backend(tmp_path, require_confirmation=True, seeded=False) as api:
        for password in ("the words I forgot", PASSWORD):
            body = {"email": "ada@example.org", "password": password}
            good(await api.http.post("/api/auth/signup", json=body))
            api.clock.forward(16 * 60)
        codes = re.findall(r"code for \S+: (\d{6})", caplog.text)
        assert len(codes) == 2
        api.clock.forward(-16 * 60)
        good(await api.http.post("/api/auth/confirm", json={"email": body["email"], "code": codes[1]}))
        await api.sign_in("ada@example.org")


async def test_wrong_passwords_from_elsewhere_do_not_lock_the_owner_out(tmp_path: Path) -> None:
    async with backend(tmp_path, served=True, seeded=False) as api:
        await api.person()
        app = api.http._transport._app  # type: ignore[attr-defined]

        async def guess(address: str, password: str) -> int:
            transport = httpx.ASGITransport(app, client=(address, 1))
            async with httpx.AsyncClient(base_url=URL, transport=transport) as http:
                body = {"email": "ada@example.org", "password": password}
                return (await http.post("/api/auth/signin", json=body)).status_code

        async def use_up(address: str) -> None:
            who = f"{digest('ada@example.org')[:32]}@{address}"
            while not await api.services.limiter.take(limits.SIGN_IN_EMAIL, who):
                pass

        assert await guess("203.0.113.5", "wrong") == 401
        await use_up("203.0.113.5")
        assert await guess("203.0.113.5", PASSWORD) == 429
        assert await guess("198.51.100.7", PASSWORD) == 200
        await use_up("2001:db8::")
        assert await guess("2001:db8::ffff", PASSWORD) == 429  # the same network
        assert await guess("2001:db8:1::ffff", PASSWORD) == 200


async def test_codes_cannot_be_guessed_over_many_accounts_from_one_address(tmp_path: Path) -> None:
    async with backend(tmp_path, served=True, seeded=False) as api:
        told = []
        for number in range(40):
            body = {"email": f"p{number}@example.org", "code": "000000", "password": PASSWORD}
            told.append((await api.http.post("/api/auth/reset", json=body)).status_code)
        assert told == [400] * 30 + [429] * 10


async def test_how_long_an_answer_takes_does_not_tell_who_has_an_account(tmp_path: Path) -> None:
    async with backend(tmp_path, seeded=False) as api:
        await api.person()
        for path, more in (("forgot", {}), ("reset", {"code": "0", "password": PASSWORD}), ("resend", {})):
            for email in ("ada@example.org", "nobody@example.org"):
                began = time.perf_counter()
                await api.http.post(f"/api/auth/{path}", json={"email": email, **more})
                assert time.perf_counter() - began >= 0.1
