"""Cognito behind the same port as local accounts, against moto's user pools (its JWKS verifies its tokens).

moto accepts any confirmation code, so wrong codes are answered by botocore's Stubber.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from api_support import URL, Api, backend
from served_backend import device

from lunalux_core.backend.accounts.cognito import CognitoIdentity
from lunalux_core.backend.running.backend_settings import CognitoSettings
from lunalux_core.backend.running.traces import Traces
from lunalux_core.backend.storage.table import Delete, Key
from lunalux_core.backend.web.app import create_app
from lunalux_core.client.asgi import StreamingASGITransport
from lunalux_core.errors import LunaluxError, SessionError

pytest.importorskip("moto")
boto3 = pytest.importorskip("boto3")
pytest.importorskip("jwt")
pytestmark = pytest.mark.slow

REGION = "us-east-1"
PASSWORD = "Four-unrelated-quiet-words-1"
AWS = {"region_name": REGION, "aws_access_key_id": "test", "aws_secret_access_key": "test"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


class Pool:
    """A user pool of its own, and our identity over it."""

    def __init__(self, endpoint: str, client_of: str = "") -> None:
        self.client = boto3.client("cognito-idp", endpoint_url=endpoint, **AWS)
        self.pool_id = self.client.create_user_pool(
            PoolName="test", UsernameAttributes=["email"], AutoVerifiedAttributes=["email"]
        )["UserPool"]["Id"]
        app = self.client.create_user_pool_client(
            UserPoolId=self.pool_id, ClientName="app", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
        )
        self.settings = CognitoSettings(REGION, self.pool_id, app["UserPoolClient"]["ClientId"])
        self.jwks = f"{endpoint}/{self.pool_id}/.well-known/jwks.json"
        self.identity = CognitoIdentity(self.settings, client=self.client, jwks_url=self.jwks)


@pytest.fixture
def pool(endpoint: str) -> Pool:
    return Pool(endpoint)


async def code_of(work: Any) -> str:
    with pytest.raises(LunaluxError) as caught:
        await work
    return caught.value.code


async def test_from_sign_up_to_a_proved_identity(pool: Pool) -> None:
    signed_up = await pool.identity.sign_up("Ada@Example.org", PASSWORD)
    assert not signed_up.confirmed
    assert await code_of(pool.identity.sign_in("ada@example.org", PASSWORD)) == "USER_NOT_CONFIRMED"
    await pool.identity.confirm("ada@example.org", "123456")
    account = await pool.identity.sign_in("ada@example.org", PASSWORD)
    assert (account.user_id, account.email) == (signed_up.user_id, "ada@example.org")
    assert account.cookie is not None
    assert await pool.identity.prove(account.cookie) == account
    assert await pool.identity.find("ada@example.org") == account.user_id


async def test_answers_do_not_tell_who_exists(pool: Pool) -> None:
    await pool.identity.sign_up("ada@example.org", PASSWORD)
    await pool.identity.confirm("ada@example.org", "123456")
    again = await pool.identity.sign_up("ada@example.org", PASSWORD)
    assert not again.confirmed
    assert await code_of(pool.identity.sign_in("ada@example.org", "Wrong-password-1")) == "BAD_CREDENTIALS"
    assert await code_of(pool.identity.sign_in("nobody@example.org", PASSWORD)) == "BAD_CREDENTIALS"
    await pool.identity.forgot("nobody@example.org")
    assert await pool.identity.find("nobody@example.org") is None


async def test_an_erased_account_leaves_the_pool_and_nobody_elses_does(pool: Pool) -> None:
    await pool.identity.sign_up("ada@example.org", PASSWORD)
    await pool.identity.confirm("ada@example.org", "123456")
    ada = await pool.identity.find("ada@example.org")
    assert ada is not None
    await pool.identity.remove("ada@example.org", "somebody-else")
    await pool.identity.sign_in("ada@example.org", PASSWORD)
    for _ in range(2):  # to repeat it does no harm
        await pool.identity.remove("ada@example.org", ada)
    assert await pool.identity.find("ada@example.org") is None
    assert await code_of(pool.identity.sign_in("ada@example.org", PASSWORD)) == "BAD_CREDENTIALS"


async def test_tokens_of_others_and_changed_tokens_prove_nothing(pool: Pool, endpoint: str) -> None:
    await pool.identity.sign_up("ada@example.org", PASSWORD)
    await pool.identity.confirm("ada@example.org", "123456")
    token = (await pool.identity.sign_in("ada@example.org", PASSWORD)).cookie
    assert token is not None
    assert await pool.identity.prove(token[:-4] + "AAAA") is None
    assert await pool.identity.prove("nonsense") is None
    other = Pool(endpoint)
    assert await other.identity.prove(token) is None  # another pool's key and issuer
    foreign = CognitoIdentity(
        CognitoSettings(REGION, pool.pool_id, "another-client"), client=pool.client, jwks_url=pool.jwks
    )
    assert await foreign.prove(token) is None  # another audience
    access = pool.client.initiate_auth(
        ClientId=pool.settings.client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "ada@example.org", "PASSWORD": PASSWORD},
    )["AuthenticationResult"]["AccessToken"]
    assert await pool.identity.prove(access) is None  # not an ID token


async def test_refusals_have_their_documented_codes(endpoint: str) -> None:
    from botocore.stub import Stubber

    cases = [
        ("confirm_sign_up", "CodeMismatchException", "CODE_INVALID"),
        ("confirm_sign_up", "NotAuthorizedException", "CODE_INVALID"),
        ("confirm_sign_up", "UserNotFoundException", "CODE_INVALID"),
        ("confirm_sign_up", "ExpiredCodeException", "CODE_EXPIRED"),
        ("confirm_sign_up", "AliasExistsException", "EMAIL_TAKEN"),
        ("confirm_sign_up", "TooManyFailedAttemptsException", "RATE_LIMITED"),
        ("confirm_sign_up", "InternalErrorException", "STORE_UNAVAILABLE"),
        ("sign_up", "InvalidPasswordException", "WEAK_PASSWORD"),
    ]
    client = boto3.client("cognito-idp", endpoint_url=endpoint, **AWS)
    identity = CognitoIdentity(CognitoSettings(REGION, "pool", "client"), client=client)
    with Stubber(client) as stubber:
        for operation, kind, expected in cases:
            stubber.add_client_error(operation, kind)
            call = (
                identity.confirm("a@example.org", "1")
                if operation == "confirm_sign_up"
                else identity.sign_up("a@example.org", PASSWORD)
            )
            assert await code_of(call) == expected


async def test_no_answer_is_unavailable_not_a_wrong_password() -> None:
    client = boto3.client("cognito-idp", endpoint_url="http://127.0.0.1:1", **AWS)
    identity = CognitoIdentity(CognitoSettings(REGION, "pool", "client"), client=client)
    assert await code_of(identity.sign_in("a@example.org", PASSWORD)) == "STORE_UNAVAILABLE"


async def test_a_pool_that_is_set_up_wrongly_is_told_as_that_and_logged(
    endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not as a wrong password: everybody would look for their mistake."""
    from botocore.stub import Stubber

    caplog.set_level(logging.INFO, "lunalux.backend")
    client = boto3.client("cognito-idp", endpoint_url=endpoint, **AWS)
    identity = CognitoIdentity(CognitoSettings(REGION, "pool", "client"), client=client)
    with Stubber(client) as stubber:
        stubber.add_client_error(
            "initiate_auth",
            "InvalidParameterException",
            "USER_PASSWORD_AUTH flow not enabled for this client",
        )
        assert await code_of(identity.sign_in("a@example.org", PASSWORD)) == "STORE_UNAVAILABLE"
        stubber.add_client_error(
            "sign_up", "NotAuthorizedException", "SignUp is not permitted for this user pool"
        )
        assert await code_of(identity.sign_up("a@example.org", PASSWORD)) == "STORE_UNAVAILABLE"
        stubber.add_client_error("initiate_auth", "NotAuthorizedException", "Incorrect username or password.")
        assert await code_of(identity.sign_in("a@example.org", PASSWORD)) == "BAD_CREDENTIALS"
    logged = [(r.levelname, r.__dict__["operation"], r.__dict__["kind"]) for r in caplog.records]
    assert logged == [
        ("ERROR", "initiate_auth", "InvalidParameterException"),
        ("ERROR", "sign_up", "NotAuthorizedException"),
        ("INFO", "initiate_auth", "NotAuthorizedException"),
    ]


async def test_calls_of_the_pool_are_spans_of_their_request_without_an_address(
    pool: Pool, tmp_path: Path
) -> None:
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    traces = Traces(True, exporter)
    identity = CognitoIdentity(pool.settings, client=pool.client, jwks_url=pool.jwks, traces=traces)
    account = {"email": "ada@example.org", "password": PASSWORD}

    async with backend(tmp_path) as api:
        services = replace(api.services, identity=identity, traces=traces)
        transport = StreamingASGITransport(create_app(services))
        async with httpx.AsyncClient(base_url=URL, transport=transport) as http:
            await http.post("/api/auth/signup", json=account)
            await http.post("/api/auth/confirm", json={"email": account["email"], "code": "123456"})
            await http.post("/api/auth/signin", json=account | {"password": "Another-password-1"})
            user_id = (await http.post("/api/auth/signin", json=account)).json()["userId"]
            away = boto3.client("cognito-idp", endpoint_url="http://127.0.0.1:1", **AWS)
            identity._client = away
            assert (await http.post("/api/auth/signin", json=account)).status_code == 503
        await traces.aclose()
    spans = exporter.get_finished_spans()
    asked = [span for span in spans if span.name.startswith("Cognito.")]
    assert [span.name.removeprefix("Cognito.") for span in asked] == [
        *("SignUp", "ConfirmSignUp", "InitiateAuth", "InitiateAuth", "GetKeys", "InitiateAuth"),
    ]
    # A wrong password is an answer, no answer is a failure.
    refused = [span.attributes.get("lunalux.refused") for span in asked]
    assert refused == [None, None, "NotAuthorizedException", None, None, None]
    failed = [span.attributes.get("error.type") for span in asked]
    assert failed == [None] * 5 + ["STORE_UNAVAILABLE"] and not asked[-1].status.is_ok
    requests = [span for span in spans if span.kind.name == "SERVER"]
    parents = [requests[number].context.span_id for number in (0, 1, 2, 3, 3, 4)]
    assert [span.parent.span_id for span in asked] == parents
    written = "".join(span.to_json() for span in spans)
    assert not [word for word in ("ada@example", PASSWORD, "Another-", user_id, "123456") if word in written]


@asynccontextmanager
async def served(folder: Path, pool: Pool) -> AsyncIterator[tuple[Api, str]]:
    """The whole service with the pool's accounts, on a port: itself and its address."""
    async with backend(folder) as api:
        services = replace(api.services, identity=pool.identity)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            config = uvicorn.Config(create_app(services), log_level="critical", lifespan="off")
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            try:
                yield (
                    replace(api, services=services),
                    f"http://127.0.0.1:{listening.getsockname()[1]}",
                )
            finally:
                server.should_exit = True
                await serving


async def test_a_session_that_the_service_lost_comes_back_by_itself_in_another_program(
    pool: Pool, tmp_path: Path
) -> None:
    """The proof of the sign-in outlives the program, and it is nobody else's way in."""
    async with served(tmp_path, pool) as (api, url):

        async def lose(user_id: str) -> None:
            """The registry loses a session, as a table that was put back from an older copy has."""
            await api.services.store.write(Delete("user_table", Key(f"USER#{user_id}", "SESSION")))
            api.services.sessions._cache.clear()

        home, other = tmp_path / "home", tmp_path / "other"
        async with device(home, url) as program:
            account = program.account
            assert not await account.sign_up("ada@example.org", PASSWORD)
            await program.client.accounts.confirm("ada@example.org", "123456")
            user_id = (await account.sign_in("ada@example.org", PASSWORD)).user_id
            await lose(user_id)
            assert (await account.refresh()).signed_in  # in the program that signed in
        await lose(user_id)
        async with device(home, url) as program:
            state = await program.account.online()
            assert state.signed_in and state.user_id == user_id and not state.offline
            assert (await program.account.wallet.history())[0]
        async with device(home, url) as program:  # and what it was given is kept
            assert (await program.account.online()).signed_in
        async with device(other, url) as program:
            await program.account.sign_in("ada@example.org", PASSWORD)
        async with device(home, url) as program:  # displaced is not lost
            with pytest.raises(SessionError) as caught:
                await program.account.online()
            assert caught.value.code == "SESSION_TAKEN_OVER"
