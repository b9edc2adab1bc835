"""A proxy before an emulator of AWS that does what the network and a busy region do, by chance and seeded.

throttle: refused unread, as DynamoDB and S3 say it · busy: a transaction cancelled for throttling · delay:
the answer comes late · drop-request: the connection ends before anything was done · drop-answer: it is done,
and nobody hears of it · in-doubt: it is done, and the answer is an internal error.
"""

from __future__ import annotations

import asyncio
import json
import random
from asyncio import StreamWriter
from collections import Counter, defaultdict
from collections.abc import Mapping

from fault_proxy import FaultProxy

ROUGH: Mapping[str, float] = {
    "throttle": 0.06,
    "busy": 0.03,
    "delay": 0.10,
    "drop-request": 0.02,
    "drop-answer": 0.04,
    "in-doubt": 0.02,
}
LONGEST_DELAY_S = 0.15
_THROTTLED = "ProvisionedThroughputExceededException"
_NOT_CARRIED_OUT = "Transaction cancelled, please refer cancellation reasons for specific reasons"


class WireProxy(FaultProxy):
    """Forwards to an emulator. `chances` say how often each harm is done, of one request; calm at first."""

    def __init__(self, port: int, seed: int) -> None:
        super().__init__(port)
        self.chances: Mapping[str, float] = {}
        self.done: Counter[str] = Counter()
        self._due: dict[str, float] = defaultdict(float)
        self.slow_s = 0.0
        """How long every answer is held back, whatever the chances."""
        self.bucket: tuple[int, str] | None = None
        """What S3 answers to everything, status and code; None to let it answer for itself."""
        self._chance = random.Random(seed)
        self._turn = asyncio.Lock()
        self.in_turn = False
        """Whether the emulator is asked for one thing after another, because its own transactions are not
        safe from each other."""

    def _fault_of(self, head: bytes, path: str) -> str:
        transacts = b"TransactWriteItems" in head
        drawn, chosen = self._chance.random(), ""
        for harm, share in self.chances.items():
            if transacts or harm != "busy":
                self._due[harm] += share
            # A rare one that did not come by chance is done once its turn has come.
            if drawn < share or (self._due[harm] >= 1 and not self.done[harm]):
                chosen = harm
                break
            drawn -= share
        if chosen == "busy" and not transacts:
            chosen = "throttle"
        if chosen:
            self.done[chosen] += 1
        return "refuse" if chosen == "drop-request" else chosen

    async def _answer(self, fault: str, head: bytes, body: bytes, writer: StreamWriter) -> None:
        dynamodb = b"x-amz-target" in head.lower()
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        if self.bucket is not None and not dynamodb:
            writer.write(_error(*self.bucket, "The bucket does not take this.", dynamodb=False))
        elif fault in ("throttle", "busy"):
            writer.write(_busy(json.loads(body)) if fault == "busy" else _throttled(dynamodb))
        elif fault == "in-doubt":
            await self._forward("drop-answer", head, body, writer)
            writer.write(_error(500, "InternalServerError", "Internal server error", dynamodb=dynamodb))
        else:
            if fault == "delay":
                await asyncio.sleep(self._chance.uniform(0, LONGEST_DELAY_S))
            await self._forward(fault, head, body, writer)
        await writer.drain()

    async def _forward(self, fault: str, head: bytes, body: bytes, writer: StreamWriter) -> None:
        if not self.in_turn:
            await super()._forward(fault, head, body, writer)
            return
        async with self._turn:
            await super()._forward(fault, head, body, writer)


def _throttled(dynamodb: bool) -> bytes:
    if dynamodb:
        return _error(400, _THROTTLED, "The level of configured throughput was exceeded.", dynamodb=True)
    return _error(503, "SlowDown", "Please reduce your request rate.", dynamodb=False)


def _busy(transaction: Mapping[str, list[object]]) -> bytes:
    reasons = [{"Code": "None"} for _ in transaction["TransactItems"]]
    reasons[0] = {"Code": "ThrottlingError", "Message": "Throughput exceeds the current capacity."}
    return _error(
        400, "TransactionCanceledException", _NOT_CARRIED_OUT, dynamodb=True, CancellationReasons=reasons
    )


def _error(status: int, code: str, message: str, *, dynamodb: bool, **more: object) -> bytes:
    if dynamodb:
        kind = "application/x-amz-json-1.0"
        document = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **more}
        body = json.dumps(document).encode()
    else:
        kind = "application/xml"
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close"
    return head.encode() + b"\r\n\r\n" + body
