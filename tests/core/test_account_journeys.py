"""The account against the real backend, in the program and over TCP through a proxy that counts and harms."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from fault_proxy import FaultProxy
from served_backend import Served, device, serve

from lunalux_core.account import Account
from lunalux_core.account.fetch import AGAIN_MS
from lunalux_core.account.session import RENEW_AFTER_MS
from lunalux_core.errors import BackendError, NetworkError, SessionError
from lunalux_core.ids import now_ms
from lunalux_core.runtime import Runtime

PASSWORD = "a long enough passphrase 7"
INVITED_STAR, MILESTONE_STAR = 20, 50
CODE = re.compile(r"confirmation code for \S+: (\d{6})")
FETCHES = {
    "GET /api/wallet/me",
    "GET /api/ledger/summary/me",
    "GET /api/invite/me",
    "GET /api/user/me",
    "POST /api/user/init",
    "GET /api/model-config/list",
    "GET /api/liked/me",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    yield from serve(tmp_path_factory.mktemp("served"))


@pytest.fixture
def rewarding(tmp_path: Path) -> Iterator[Served]:
    """A server that confirms addresses by a code and pays for invitations."""
    yield from serve(
        tmp_path / "served",
        LUNALUX_REQUIRE_CONFIRMATION="1",
        INVITED_USER_REWARD_STAR=str(INVITED_STAR),
        INVITE_REWARD_THRESHOLD="2",
        INVITE_MILESTONE_REWARD_STAR=str(MILESTONE_STAR),
    )


@pytest.fixture
async def proxy(served: Served) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(served.port).running() as proxy:
        yield proxy


async def signed_up(runtime: Runtime, name: str) -> str:
    email = f"{name}@example.org"
    assert await runtime.account.sign_up(email, PASSWORD)
    return email


def set_clock(runtime: Runtime, clock: Callable[[], int]) -> None:
    """Make the account of a program that has not used it yet go by this clock."""
    runtime.account = Account(
        lambda: runtime.client,
        runtime.library.cache,
        lambda: runtime.credentials,
        embedded=not runtime.settings.api_url,
        place=runtime.place,
        clock=clock,
    )


async def test_nothing_has_to_be_set_up(tmp_path: Path) -> None:
    async with device(tmp_path) as runtime:
        state = await runtime.account.ensure()
        assert state.signed_in and state.local and state.username is None
        assert (state.lux_level, state.star, state.luna) == (0, 100, 100)
        assert state.ledger["totalStarCoinGain"] == 100 and state.invite["inviteCode"]
        assert state.models
        first = state.user_id
    async with device(tmp_path) as runtime:
        assert (await runtime.account.load()).user_id == first
        assert (await runtime.account.ensure()).user_id == first


async def test_signing_out_stays_so_until_somebody_signs_in(tmp_path: Path) -> None:
    async with device(tmp_path) as runtime:
        user = (await runtime.account.ensure()).user_id
        await runtime.account.sign_out()
        with pytest.raises(SessionError):
            await runtime.account.ensure()
    async with device(tmp_path) as runtime:
        with pytest.raises(SessionError):
            await runtime.account.ensure()
        assert (await runtime.account.sign_in_locally()).user_id == user
        assert (await runtime.account.ensure()).signed_in


async def test_programs_that_renew_at_once_stay_signed_in(tmp_path: Path, proxy: FaultProxy) -> None:
    async with device(tmp_path, proxy.url) as runtime:
        set_clock(runtime, lambda: now_ms() - RENEW_AFTER_MS)
        await signed_up(runtime, "twice")
    both = asyncio.Event()

    async def together(target: str) -> None:
        """Let none of the two be done before the other has asked."""
        if target.endswith("/refresh"):
            if proxy.count["POST /api/auth/refresh"] == 2:
                both.set()
            await both.wait()

    proxy.before = together
    async with device(tmp_path, proxy.url) as one, device(tmp_path, proxy.url) as two:
        async with asyncio.timeout(60):
            states = await asyncio.gather(one.account.ensure(), two.account.ensure())
        assert proxy.count["POST /api/auth/refresh"] == 2
        assert all(state.signed_in and not state.offline for state in states)
        assert one.account.session.key == two.account.session.key
        assert (await two.account.refresh()).signed_in
    async with device(tmp_path, proxy.url) as later:
        assert (await later.account.ensure()).signed_in


async def test_everything_is_fetched_once_and_then_only_validated(tmp_path: Path, proxy: FaultProxy) -> None:
    async with device(tmp_path, proxy.url) as runtime:
        await signed_up(runtime, "once")
        assert proxy.count["POST /api/user/init"] == 1
        assert proxy.count["GET /api/model-config/list"] == proxy.count["GET /api/liked/me"] == 1
    proxy.count.clear()
    for _ in range(3):
        async with device(tmp_path, proxy.url) as runtime:
            for _ in range(3):
                state = await runtime.account.ensure()
            assert state.star == 100
            await runtime.market.refresh("en", "hot")
            await runtime.market.refresh("en", "hot")
    assert not FETCHES & set(proxy.count)
    assert proxy.count["GET /api/session/validate"] == 3
    assert proxy.count["GET /api/character/hot-first-page"] == 1


async def test_a_remote_backend_asks_a_person_to_sign_in(tmp_path: Path, proxy: FaultProxy) -> None:
    async with device(tmp_path, proxy.url) as runtime:
        with pytest.raises(SessionError) as caught:
            await runtime.account.ensure()
        assert caught.value.code == "UNAUTHORIZED"
        with pytest.raises(BackendError) as wrong:
            await runtime.account.sign_in("nobody@example.org", PASSWORD)
        assert wrong.value.code == "BAD_CREDENTIALS"


async def test_another_device_takes_over_and_nothing_is_lost(tmp_path: Path, proxy: FaultProxy) -> None:
    async with device(tmp_path / "a", proxy.url) as first, device(tmp_path / "b", proxy.url) as second:
        email = await signed_up(first, "two-devices")
        await first.account.set_username("two_devices")
        before = first.account.state
        heard: list[str] = []
        first.account.snapshot.watchers.append(lambda state: heard.append(state.status))
        await second.account.sign_in(email, PASSWORD)
        for _ in range(3):
            with pytest.raises(SessionError) as caught:
                await asyncio.gather(*(first.account.set_username("x_y_z") for _ in range(3)))
            assert caught.value.code == "SESSION_TAKEN_OVER"
        assert heard.count("taken_over") == 1
        after = first.account.state
        assert (after.wallet, after.username, after.liked) == (before.wallet, before.username, before.liked)
    async with device(tmp_path / "a", proxy.url) as first:
        assert (await first.account.load()).status == "taken_over"
        with pytest.raises(SessionError) as caught:
            await first.account.ensure()
        assert caught.value.code == "SESSION_TAKEN_OVER"
        assert (await first.account.sign_in(email, PASSWORD)).signed_in


async def test_two_programs_of_one_home_share_the_session(tmp_path: Path, proxy: FaultProxy) -> None:
    async with device(tmp_path, proxy.url) as app:
        email = await signed_up(app, "same-home")
        async with device(tmp_path, proxy.url) as command:
            await command.account.sign_in(email, PASSWORD)
        await app.account.set_username("same_home")
        assert app.account.state.signed_in


@pytest.mark.parametrize("fault", ["refuse", "html", "500", "drop-answer"])
async def test_without_the_backend_the_last_known_state_stands(
    tmp_path: Path, proxy: FaultProxy, fault: str
) -> None:
    async with device(tmp_path, proxy.url) as runtime:
        await signed_up(runtime, f"offline-{fault}")
    proxy.fault = fault  # type: ignore[assignment]
    async with device(tmp_path, proxy.url) as runtime:
        state = await runtime.account.ensure()
        assert state.offline and state.star == 100 and state.signed_in
        with pytest.raises((NetworkError, BackendError)):
            await runtime.account.wallet.redeem("CODE")
        proxy.fault = ""
        state = await runtime.account.ensure()
        assert not state.offline and state.signed_in


async def test_an_emptied_backend_gives_a_local_account_anew(tmp_path: Path) -> None:
    import shutil

    async with device(tmp_path) as runtime:
        first = (await runtime.account.ensure()).user_id
        backend = runtime.paths.backend
    shutil.rmtree(backend)
    async with device(tmp_path) as runtime:
        state = await runtime.account.ensure()
        assert state.signed_in
        fresh = await runtime.account.refresh()
        assert fresh.user_id != first and fresh.star == 100


async def test_coupons_are_put_right_before_they_are_sent(tmp_path: Path, served: Served) -> None:
    code = served.coupon("STAR", 40, "star")
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in code)
    async with device(tmp_path, served.url) as runtime:
        await signed_up(runtime, "coupon")
        assert await runtime.account.wallet.redeem(f"  {wide[:4]} {wide[4:]}　") == ("star", 40)
        state = runtime.account.state
        assert state.star == 140 and state.ledger["totalStarCoinGain"] == 140
        with pytest.raises(BackendError) as caught:
            await runtime.account.wallet.redeem("NOSUCHCODE")
        assert caught.value.code == "COUPON_INVALID_OR_USED"
        rows, _ = await runtime.account.wallet.history()
        assert [(row["kind"], row["amount"]) for row in rows][:1] == [("coupon", 40)]


async def test_usernames(tmp_path: Path, served: Served) -> None:
    async with device(tmp_path / "a", served.url) as a, device(tmp_path / "b", served.url) as b:
        await signed_up(a, "name-a")
        await signed_up(b, "name-b")
        assert (await a.account.set_username("Moonlight")).username == "Moonlight"
        with pytest.raises(BackendError) as caught:
            await b.account.set_username("moonlight")
        assert caught.value.code == "USERNAME_TAKEN"


async def test_invites(tmp_path: Path, served: Served) -> None:
    async with device(tmp_path / "a", served.url) as host, device(tmp_path / "b", served.url) as guest:
        await signed_up(host, "host")
        code = str(host.account.state.invite["inviteCode"])
        assert await guest.account.sign_up("guest@example.org", PASSWORD, code)
        assert (await host.account.refresh()).invite["totalInvites"] == 1
        times, star = await host.account.wallet.settle_invites()
        assert times >= 0 and star >= 0


async def mailed_code(served: Served) -> str:
    """The next code that the server sent: without a mail server it stands in the log, once."""
    async with asyncio.timeout(20):
        while not (found := CODE.search("".join(served.log))):  # noqa: ASYNC110  it waits for a server
            await asyncio.sleep(0.05)
    served.log.clear()
    return found[1]


async def test_an_invitation_survives_the_confirmation_and_pays_the_inviter_at_the_sign_in(
    tmp_path: Path, rewarding: Served
) -> None:
    async with device(tmp_path / "host", rewarding.url) as host:
        await confirmed(host, rewarding, "inviter@example.org", "")
        code = str(host.account.state.invite["inviteCode"])
        for name in ("first", "second"):
            email = f"{name}@example.org"
            # Three programs one after the other, as three commands of a command line are.
            async with device(tmp_path / name, rewarding.url) as guest:
                assert not await guest.account.sign_up(email, PASSWORD, code)
            async with device(tmp_path / name, rewarding.url) as guest:
                await guest.client.accounts.confirm(email, await mailed_code(rewarding))
            async with device(tmp_path / name, rewarding.url) as guest:
                assert (await guest.account.sign_in(email, PASSWORD)).star == 100 + INVITED_STAR
        await host.account.sign_out()
        state = await host.account.sign_in("inviter@example.org", PASSWORD)
        assert state.invite["totalInvites"] == 2
        assert state.star == 100 + MILESTONE_STAR
        assert await host.account.wallet.settle_invites() == (0, 0)


async def confirmed(runtime: Runtime, served: Served, email: str, code: str) -> None:
    """A new account whose address is confirmed, signed in."""
    assert not await runtime.account.sign_up(email, PASSWORD, code)
    await runtime.client.accounts.confirm(email, await mailed_code(served))
    await runtime.account.sign_in(email, PASSWORD)


async def test_a_sign_in_whose_rest_is_lost_heals_by_itself(tmp_path: Path, proxy: FaultProxy) -> None:
    async with device(tmp_path / "elsewhere", proxy.url) as other:
        email = await signed_up(other, "lost-init")
    proxy.fault, proxy.where = "drop-answer", "/api/user/init"
    async with device(tmp_path / "here", proxy.url) as runtime:
        state = await runtime.account.sign_in(email, PASSWORD)
        assert (state.signed_in, state.email, state.offline) == (True, email, True)
        with pytest.raises(NetworkError):
            await runtime.account.online()
    async with device(tmp_path / "here", proxy.url) as runtime:
        with pytest.raises(NetworkError):
            await runtime.account.ensure()
        proxy.fault = ""
        state = await runtime.account.ensure()
        assert state.star == 100 and state.models and not state.offline


async def test_an_account_of_which_nothing_is_known_but_the_session_heals_too(
    tmp_path: Path, proxy: FaultProxy
) -> None:
    async with device(tmp_path, proxy.url) as runtime:
        email = await signed_up(runtime, "only-session")
        await runtime.library.cache.drop("account:")
    async with device(tmp_path, proxy.url) as runtime:
        state = await runtime.account.ensure()
        assert (state.email, state.star) == (email, 100)


async def test_what_could_not_be_fetched_at_the_sign_in_is_asked_for_again(
    tmp_path: Path, proxy: FaultProxy
) -> None:
    async with device(tmp_path / "elsewhere", proxy.url) as other:
        email = await signed_up(other, "half-fetched")
    proxy.fault, proxy.where = "drop-answer", "/api/model-config/list"
    now = [now_ms()]
    async with device(tmp_path / "here", proxy.url) as runtime:
        set_clock(runtime, lambda: now[0])
        state = await runtime.account.sign_in(email, PASSWORD)
        assert state.star == 100 and not state.models
        proxy.fault = ""
        now[0] += AGAIN_MS
        assert (await runtime.account.ensure()).models


@pytest.mark.parametrize(
    "row",
    [
        "[]",
        "null",
        '{"status": 3, "wallet": [], "models": "x", "liked": {"a": 1}}',
        '{"status": "signed_in", "wallet": {"starCoin": "many"}, "models": [1, {"a": 2}], "fetched_at": 9}',
        '{"status": "signed_in", "user_id": "u", "invite": {"inviteCode": null}, "agreed": {"002": 5}}',
        "{",
    ],
)
async def test_a_kept_account_of_another_shape_is_fetched_anew(
    tmp_path: Path, served: Served, row: str
) -> None:
    async with device(tmp_path, served.url) as runtime:
        await runtime.account.load()
        email = f"shape-{abs(hash(row))}@example.org"
        await runtime.account.sign_up(email, PASSWORD)
        await runtime.library.database.write(
            lambda c: c.execute("UPDATE cache SET value = ? WHERE key LIKE 'account:%'", (row,))
        )
    async with device(tmp_path, served.url) as runtime:
        await runtime.account.load()
        state = await runtime.account.ensure()
        assert (state.email, state.star, state.invite["totalInvites"]) == (email, 100, 0)


@pytest.mark.parametrize(
    "stored", ["", "x", "[]", '{"token": "a"}', '{"userId": "a\\n", "token": "b"}', "\ud800"]
)
async def test_a_kept_session_of_another_shape_is_none(tmp_path: Path, served: Served, stored: str) -> None:
    async with device(tmp_path, served.url) as runtime:
        await signed_up(runtime, f"session-{abs(hash(stored))}")
        runtime.credentials.set(f"session:{served.url}", stored)
    async with device(tmp_path, served.url) as runtime:
        assert (await runtime.account.load()).status == "signed_out"
        with pytest.raises(SessionError):
            await runtime.account.ensure()


async def test_a_code_nobody_has_is_told_and_one_that_counts_is_not(tmp_path: Path, served: Served) -> None:
    async with device(tmp_path / "a", served.url) as host, device(tmp_path / "b", served.url) as guest:
        await signed_up(host, "host-of-codes")
        assert await guest.account.sign_up("guest-wrong@example.org", PASSWORD, "NOSUCHCODE")
        assert guest.account.referral_refused
        code = str(host.account.state.invite["inviteCode"])
        await guest.account.sign_out()
        assert await guest.account.sign_up("guest-right@example.org", PASSWORD, code)
        assert not guest.account.referral_refused
        await guest.account.refresh()
        assert not guest.account.referral_refused


async def test_the_screen_is_as_young_as_the_last_bill(tmp_path: Path) -> None:
    async with device(tmp_path) as runtime:
        now = [now_ms()]
        set_clock(runtime, lambda: now[0])
        before = (await runtime.account.ensure()).fetched_at
        now[0] += 1_140_000
        state = await runtime.account.wallet.billed(
            runtime.account.state.wallet, runtime.account.state.ledger
        )
        assert state.fetched_at == before + 1_140_000
