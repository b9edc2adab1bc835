"""One official reply: reserve → call → settle, or refund.

Nothing of the request decides what is called or what it costs but `modelId`; the wallet is the
session's. The caller iterates `reply`; closing the iterator early cancels the provider's call and
gives the coins back, unless the reply was complete. So whoever has handed a piece on iterates to the end,
even when its reader has left: otherwise a reply could be read, then cancelled, and would cost nothing.

See docs/spec/backend.md: An official reply, Money rules.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Coroutine, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from lunalux_core.backend.accounts.sessions import Session
from lunalux_core.backend.money.billing import ModelConfig, ShownPrice, approve
from lunalux_core.backend.money.gateway_model import PartialReply, Piece, model_request, stream_model
from lunalux_core.backend.money.money import Action, Replay, Reservation
from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.running.services import Services
from lunalux_core.backend.running.traces import Traces
from lunalux_core.backend.web.limits import (
    CALLED_OFF,
    FREE_REPLY,
    FREE_REPLY_ADDRESS,
    FREE_REPLY_DAY,
    PAID_REPLY,
)
from lunalux_core.backend.web.refusals import rate_limited, refuse
from lunalux_core.errors import BackendError, LunaluxError, PaymentError
from lunalux_core.llm.model import ChatModel, ModelRequest
from lunalux_core.wire import official
from lunalux_core.wire.official import Billing, SubmitRequest, SubmitResponse, TokenUsage
from lunalux_core.wire.users import Ledger, Wallet
from lunalux_core.wire.wire_body import Wire

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenReservation:
    """The coins are set aside; from here on an early end gives them back."""


Event = OpenReservation | Piece | SubmitResponse


@dataclass(frozen=True, slots=True)
class GatewayRequest:
    """One request at the gateway. `address` is where it came from, `operation` its idempotency key, which was
    made here where it is `fresh`; `aloud` asks for the pieces of the reply, not only for the answer."""

    session: Session
    body: SubmitRequest
    operation: str
    address: str
    aloud: bool
    fresh: bool = False


class StoredAnswer(Wire):
    """What is stored of an answer for its replay: all but the wallet, which is read when it is replayed."""

    content: str
    billing: Billing
    deactivate_binding: bool | None = None
    thinking: str | None = None
    usage: TokenUsage | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    """A reply that may be made: its coins are set aside."""

    model: ChatModel
    request: ModelRequest
    reservation: Reservation


class Gateway:
    """Official replies over the services."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def reply(self, asked: GatewayRequest) -> AsyncGenerator[Event, None]:
        """`OpenReservation`, the pieces, and at last the answer.

        Raises:
            LunaluxError: before `OpenReservation`, whatever keeps the reply from being made; after it
                LLM_FAILED, LLM_TIMEOUT or STORE_UNAVAILABLE, with the coins given back.
        """
        async with AsyncExitStack() as meter:
            call = await self._begin(asked, meter)
            if isinstance(call, Replay):
                yield OpenReservation()
                kept = _replayable(call)
                yield await self._with_balances(kept, asked.session.user_id)
                return
            reservation = call.reservation
            collected = PartialReply()
            try:
                yield OpenReservation()
                timeout = self._services.settings.providers.timeout_s
                speaking = stream_model(call.model, call.request, collected, timeout, aloud=asked.aloud)
                with _model_span(self._services.traces, reservation.config, collected):
                    async with aclosing(speaking) as pieces:
                        async for piece in pieces:
                            yield piece
            # BaseException: a client that leaves raises GeneratorExit here, and its coins go back as well.
            except BaseException as error:
                if isinstance(error, GeneratorExit | asyncio.CancelledError):
                    self._note_called_off(asked)
                await finish(self._refund(reservation))
                raise
            yield await finish(self._settle(asked, reservation, collected))

    async def _begin(self, asked: GatewayRequest, meter: AsyncExitStack) -> _Call | Replay:
        """All that comes before the call, or the answer of the first time; `meter` holds the reply's place.

        Raises:
            LunaluxError: whatever keeps the reply from being made.
        """
        model_id = _model_id(asked)
        try:
            config = await self._services.models.require(model_id)
            model = self._services.official.model(config.model_type, config.model_name, config.model_id)
            # Before any coins are set aside: a request that cannot be made costs nothing.
            request = model_request(asked.body, asked.operation, config)
            await meter.enter_async_context(self._metered(asked, config))
        except LunaluxError:
            # What was paid is handed over again, whatever became of its model, its price or the limits since.
            done = None if asked.fresh else await self._services.money.done_before(_action(asked))
            if done is None:
                raise
            return done
        reservation = await self._reserve(asked, config)
        return reservation if isinstance(reservation, Replay) else _Call(model, request, reservation)

    @asynccontextmanager
    async def _metered(self, asked: GatewayRequest, config: ModelConfig) -> AsyncIterator[None]:
        """Count the reply. One that nobody pays for has narrower limits; of those that are paid, only so
        many may be begun and called off, each of which cost the provider's call and nobody's coins."""
        # Whoever begins paid replies only to call them off makes the operator pay the provider.
        wait = self._services.called_off.wait(CALLED_OFF, asked.session.user_id)
        if wait:
            raise rate_limited(wait)
        if config.free_level < 0 or not await self._is_free(asked, config):
            wait = await self._services.limiter.take(PAID_REPLY, asked.session.user_id)
            if wait:
                raise rate_limited(wait)
            yield
            return
        user_id = asked.session.user_id
        counted = ((FREE_REPLY, user_id), (FREE_REPLY_DAY, user_id), (FREE_REPLY_ADDRESS, asked.address))
        for rule, who in counted:
            wait = await self._services.limiter.take(rule, who)
            if wait:
                raise rate_limited(wait)
        with self._services.free_slots.hold(user_id) as room:
            if not room:
                raise rate_limited(1)
            yield

    async def _is_free(self, asked: GatewayRequest, config: ModelConfig) -> bool:
        wallet = await self._services.wallets.require(asked.session.user_id)
        try:
            return approve(config, wallet).method == "free"
        except PaymentError:
            return False

    def _note_called_off(self, asked: GatewayRequest) -> None:
        self._services.metrics.event("called_off")
        self._services.called_off.count(CALLED_OFF, asked.session.user_id)

    async def _reserve(self, asked: GatewayRequest, config: ModelConfig) -> Reservation | Replay:
        # A task of its own: a client that leaves cancels this coroutine, but a transaction under way goes
        # on and its outcome must be known.
        reserving = asyncio.ensure_future(self._services.money.reserve(_action(asked), config))
        try:
            return await asyncio.shield(reserving)
        except BackendError as error:
            if error.code == "PRICE_CHANGED":
                row = official.ModelConfig.of(config)
                error.params["config"] = row.model_dump(by_alias=True, exclude_none=True)
            raise
        except asyncio.CancelledError:
            _keep(asyncio.ensure_future(self._give_up(reserving)))
            raise

    async def _give_up(self, reserving: Awaitable[Reservation | Replay]) -> None:
        """The client left while the coins were being set aside."""
        try:
            outcome = await reserving
        except LunaluxError:
            return
        if isinstance(outcome, Reservation):
            await self._refund(outcome)

    async def _refund(self, reservation: Reservation) -> None:
        """Give the coins back; where that fails now, the sweep does it later."""
        self._services.metrics.event("refund")
        try:
            await self._services.money.refund(reservation)
        except LunaluxError as error:
            logger.error("refund postponed: %s", error.message, extra={"code": error.code})

    async def _settle(
        self, asked: GatewayRequest, reservation: Reservation, reply: PartialReply
    ) -> SubmitResponse:
        services, character_id = self._services, asked.body.character_id
        # Hidden and deleted cards as well: the answer tells whether the binding still leads anywhere.
        card = await services.characters.find_any(character_id, asked.body.language) if character_id else None
        gone = card is None or card.status == "deleted"  # what is hidden for a look may come back
        kept = StoredAnswer(
            content=reply.text,
            thinking=reply.thinking or None,
            billing=Billing(
                method=reservation.approval.method,
                cost=reservation.approval.cost,
                model_id=reservation.config.model_id,
            ),
            deactivate_binding=True if character_id and gone else None,
            usage=_usage(reply),
        )
        self._log_tokens(kept)
        stored = kept.model_dump(by_alias=True, exclude_none=True, mode="json")
        answer, settled = await asyncio.gather(  # settling changes no balance; near reads go first
            self._with_balances(kept, asked.session.user_id), services.money.settle(reservation, stored)
        )
        # The sweep gave the coins back while the provider was still speaking. The reply is there, so it is
        # handed over, and the wallet is read again.
        if not settled:
            services.metrics.event("late_settle")
            logger.warning(
                "a reply was settled too late and is not charged", extra={"model": kept.billing.model_id}
            )
            return await self._with_balances(kept, asked.session.user_id)
        if card is not None and not gone:
            await services.dialogues.count(reservation)
            services.touched(card.language)
        return answer

    async def _with_balances(self, kept: StoredAnswer, user_id: str) -> SubmitResponse:
        """The answer: what is kept of it, and the wallet as it is now."""
        wallet, ledger = await self._services.money.balances(user_id)
        return SubmitResponse(
            wallet=Wallet.of(wallet),
            ledger_summary=Ledger.of(ledger) if ledger else None,
            model_config_version=self._services.models.version(),
            **{name: getattr(kept, name) for name in StoredAnswer.model_fields},
        )

    def _log_tokens(self, kept: StoredAnswer) -> None:
        """Log token counts of official calls, where `analyze_token` is on; never their text."""
        usage = kept.usage
        if usage is not None and self._services.settings.providers.analyze_token:
            logger.info(
                "tokens",
                extra={
                    "model": kept.billing.model_id,
                    "prompt": usage.prompt_tokens,
                    "completion": usage.completion_tokens,
                    "total_tokens": usage.prompt_tokens + usage.completion_tokens,
                    "estimated": usage.estimated,
                },
            )


def _model_id(asked: GatewayRequest) -> str:
    """The official model that is asked for, by the session's own user."""
    body = asked.body
    if "user_id" in body.model_fields_set and not (body.user_id or "").strip():
        raise refuse("USER_ID_REQUIRED", "The request names no user.")
    if body.user_id is not None and body.user_id != asked.session.user_id:
        raise refuse("USER_MISMATCH", "The request names another user than the session's.")
    if not (body.model_id or "").strip():
        raise refuse("MODEL_ID_REQUIRED", "The request names no official model.")
    return str(body.model_id).strip()


def _action(asked: GatewayRequest) -> Action:
    body = asked.body
    expected = body.expected_cost
    return Action(
        asked.session.user_id,
        asked.operation,
        request_hash(body),
        body.character_id,
        None if expected is None else ShownPrice(expected.method, expected.star, expected.luna),
    )


def _replayable(replay: Replay) -> StoredAnswer:
    """The stored answer. Raises BackendError (IDEMPOTENCY_MISMATCH) for one that cannot be read any more."""
    try:
        return StoredAnswer.model_validate(replay.response)
    except ValidationError:
        raise refuse("IDEMPOTENCY_MISMATCH", "The answer to this request is no longer kept.") from None


def request_hash(body: SubmitRequest) -> str:
    """What an idempotency key stands for: the same key with another hash is another action. The price
    that was shown is no part of it: a retry may know the new one."""
    canonical = json.dumps(body.model_dump(exclude_none=True, exclude={"expected_cost"}), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


@contextmanager
def _model_span(traces: Traces, config: ModelConfig, reply: PartialReply) -> Iterator[None]:
    """The model's call as a span: which model, and how much it read and wrote; nothing of what."""
    named = {"gen_ai__provider__name": config.model_type, "gen_ai__request__model": config.model_name}
    with traces.work(f"chat {config.model_name}", gen_ai__operation__name="chat", **named) as span:
        try:
            yield
        finally:
            if reply.usage is not None:
                span.note(
                    gen_ai__usage__input_tokens=reply.usage.prompt_tokens,
                    gen_ai__usage__output_tokens=reply.usage.completion_tokens,
                )


def _usage(reply: PartialReply) -> TokenUsage | None:
    if reply.usage is None:
        return None
    return TokenUsage(
        prompt_tokens=reply.usage.prompt_tokens,
        completion_tokens=reply.usage.completion_tokens,
        estimated=reply.usage.estimated,
    )


_kept: set[asyncio.Future[Any]] = set()


def _keep(task: asyncio.Future[Any]) -> None:
    """Keep a reference to a task that nobody awaits: the event loop holds only a weak one."""
    _kept.add(task)
    task.add_done_callback(_kept.discard)


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end even when the caller is cancelled meanwhile: no movement stays unfinished."""
    task = asyncio.ensure_future(work)
    _keep(task)
    return await asyncio.shield(task)
