"""Calls to AWS: boto3 in a bounded pool of threads, and our own retries.

botocore repeats a call whose answer was lost, which would apply a change twice, and does not repeat
what lost a race. So its retries are off, and each call here says whether repeating it is harmless.

See docs/spec/backend.md: Money rules.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lunalux_core.backend.storage.table import Unavailable
from lunalux_core.errors import InvalidInput

THREADS = 32
ATTEMPTS = 8
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.025, 1.0
CONNECT_S, READ_S = 5, 15

REFUSED_FOR_NOW = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
        "LimitExceededException",
        "ServiceUnavailable",
    }
)
"""Answers that say nothing was done, and that a later try may succeed."""
IN_DOUBT = frozenset({"InternalServerError", "InternalError", "InternalFailure", "RequestTimeout"})
"""Answers that leave open whether something was done."""


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """Where and as whom to call: `endpoint` for an emulator; keys come from AWS's own chain if None."""

    region: str
    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = None

    def session(self) -> Any:
        """A boto3 session; loads boto3 (a quarter of a second).

        Raises:
            InvalidInput: CONFIG_INVALID, boto3 is not installed.
        """
        try:
            import boto3
        except ImportError:
            raise InvalidInput(
                "CONFIG_INVALID",
                "The storage on AWS needs boto3, which is not installed.",
                "Run `pip install '.[aws]'` in the folder of Lunalux, or use the embedded storage.",
                kind="boto3",
            ) from None
        return boto3.session.Session(
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )

    def client(self, service: str, session: Any = None) -> Any:
        """A boto3 client of ours: no hidden retries, short patience."""
        from botocore.config import Config

        named = (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL")
        emulated = self.endpoint or any(os.environ.get(name) for name in named)

        config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            max_pool_connections=THREADS,
            signature_version="s3v4" if service == "s3" else None,
            s3={"addressing_style": "path" if emulated else "virtual"} if service == "s3" else None,
            # Newer botocore adds checksums of its own to every request, which emulators and older S3
            # servers refuse.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        return (session or self.session()).client(service, endpoint_url=self.endpoint, config=config)


class AwsCallError(Exception):
    """AWS refused a call for good: `code`, `message`, and the whole response."""

    def __init__(self, code: str, message: str, response: Mapping[str, Any]) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.response = code, message, response


class Caller:
    """One client and its threads. The client is made at the first call."""

    def __init__(
        self,
        make_client: Callable[[], Any],
        *,
        attempts: int = ATTEMPTS,
        counted: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._make_client, self._attempts, self._counted = make_client, attempts, counted
        self._pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="lunalux-aws")
        self._client: asyncio.Future[Any] | None = None
        self._closed = False

    async def client(self) -> Any:
        if self._closed:
            raise Unavailable("The storage is closed.")
        if self._client is None:
            self._client = asyncio.get_running_loop().run_in_executor(self._pool, self._make_client)
        # Shared by all callers: one that is cancelled must not cancel the making of the client.
        return await asyncio.shield(self._client)

    async def call(self, name: str, /, *, repeatable: bool, **arguments: Any) -> Any:
        """Call the client's method `name`; as `run`."""
        return await self.run(name, lambda client: getattr(client, name)(**arguments), repeatable=repeatable)

    async def run(self, name: str, work: Callable[[Any], Any], *, repeatable: bool) -> Any:
        """Run `work` with the client on a thread of the pool.

        Args:
            name: what to count it as.
            repeatable: doing it twice is the same as once, so that a lost answer may be asked for again.

        Raises:
            AwsCallError: refused for good. Unavailable: too busy or unreachable after several tries.
        """
        client = await self.client()
        doubt = False
        for attempt in range(self._attempts):
            if attempt:
                await asyncio.sleep(_pause(attempt))
            self._counted(name)
            outcome = await asyncio.wrap_future(self._pool.submit(_attempt, client, work))
            if not isinstance(outcome, _Failure):
                return outcome
            if outcome.refused is not None:
                raise outcome.refused
            doubt = doubt or outcome.in_doubt
            if outcome.in_doubt and not repeatable:
                break
        raise Unavailable("The cloud storage does not answer.", maybe_applied=doubt)

    def close(self) -> None:
        """Wait for the calls under way. Safe to call twice."""
        self._closed = True
        self._pool.shutdown()


@dataclass(frozen=True, slots=True)
class _Failure:
    """A call that did not succeed: for good, or for now; `in_doubt` where it may have been done."""

    refused: AwsCallError | None
    in_doubt: bool = False


def _attempt(client: Any, work: Callable[[Any], Any]) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

    try:
        return work(client)
    except ClientError as error:
        return _judge(error.response)
    except (ConnectTimeoutError, EndpointConnectionError):
        return _Failure(None)  # it never got there
    except BotoCoreError as error:
        if type(error).__name__ in _OUR_FAULT:
            return _Failure(AwsCallError(type(error).__name__, str(error), {}))
        return _Failure(None, in_doubt=True)


_OUR_FAULT = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "ParamValidationError", "NoRegionError"}
)


def _judge(response: Mapping[str, Any]) -> _Failure:
    error = response.get("Error", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    reasons = {reason.get("Code") for reason in response.get("CancellationReasons", ())}
    if code == "TransactionCanceledException" and not reasons & {"ConditionalCheckFailed", "ValidationError"}:
        return _Failure(None)  # conflicts and throttling only
    if code in REFUSED_FOR_NOW:
        return _Failure(None)
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in IN_DOUBT or status >= 500:
        return _Failure(None, in_doubt=True)
    return _Failure(AwsCallError(code, message, response))


def _pause(attempt: int) -> float:
    """Seconds before the next try: longer each time, and never the same for two who collided."""
    longest: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt)
    return random.uniform(longest / 4, longest)
