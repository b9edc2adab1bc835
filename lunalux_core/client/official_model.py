"""The billed gateway as a ChatModel: the same stream as any model, with a bill at the end.

There is no fallback: when the official path fails, its error is what the person sees. A reply
that broke off without an answer is asked for again word for word under the same key, also by a program
started later, so that the gateway replays what was paid for. A key that stood for something else, as after
a refund and an edit, is never in the way: what is asked anew gets a key of its own.

See docs/spec/design.md: The idea.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Literal

from lunalux_core.errors import BackendError, NetworkError, PaymentError
from lunalux_core.ids import now_ms, uuid4
from lunalux_core.llm.model import REPEATABLE, Delta, ModelRequest, ModelSpec, Usage

if TYPE_CHECKING:
    from lunalux_core.account import Account
    from lunalux_core.client.backend_client import BackendClient
    from lunalux_core.library.network_cache import Cache
    from lunalux_core.wire.official import ExpectedCost, SubmitRequest

REPLAYED_MS = 24 * 3600 * 1000
"""How long the gateway keeps an answer for its replay."""

PATIENCE, LONGEST_WAIT_SECONDS = 4, 5.0
"""Tries, while the gateway still ends what a broken connection left behind."""


class OfficialModel:
    """One row of the official price list, reached through the gateway.

    Args:
        account: gives the session, and counts the wallet anew where a payment was refused.
        cache: remembers what was asked when the answer did not come.
    """

    def __init__(self, client: BackendClient, spec: ModelSpec, account: Account, cache: Cache) -> None:
        self._client = client
        self._spec = spec
        self._account = account
        self._cache = cache

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """Stream one reply; the last delta carries `billing`: method, cost, modelId, wallet, ledgerSummary,
        deactivateBinding.

        Raises:
            PaymentError: PRICE_CHANGED, the reply costs more than the person agreed to; nothing was charged.
            SessionError, PaymentError, BackendError, NetworkError: as the gateway says; a repeated call with
                the same `request_id` never pays twice.
        """
        key = request.request_id or uuid4()
        memory = f"asked:{self._spec.name}:{key}"
        await self._cache.sweep("asked:")
        before = await self._asked_before(memory)
        await self._account.online()
        if before is None:  # what was asked before may be paid already: the gateway knows
            self._account.prices.check(self._spec.model)
        body = (before or self._body(request)).model_copy(update={"expected_cost": self._agreed()})
        asked = body.model_dump(mode="json", exclude_none=True)
        repeatable = key.startswith(REPEATABLE)
        if repeatable:  # whoever repeats it has not heard whether it was answered
            await self._cache.put(memory, asked, REPLAYED_MS)
        said = False
        try:
            async with aclosing(self._patiently(body, key)) as events:
                async for name, data in events:
                    if name == "done":
                        self._account.prices.note_version(data.get("modelConfigVersion"))
                        yield _last(data, said=said)
                    elif name in ("delta", "thinking"):
                        said = said or name == "delta"
                        yield Delta(text=data["text"]) if name == "delta" else Delta(thinking=data["text"])
        except NetworkError:
            await self._cache.put(memory, asked, REPLAYED_MS)
            raise
        except PaymentError:
            await self._cache.drop(memory)
            await self._account.wallet.recount()
            raise
        except BackendError as error:
            if error.code == "PRICE_CHANGED":
                await self._account.prices.refresh()
                self._account.prices.check(self._spec.model)
            raise
        if not repeatable:
            await self._cache.drop(memory)

    def _agreed(self) -> ExpectedCost | None:
        """The price the person agreed to, for the gateway to hold the reply to."""
        from lunalux_core.wire.official import ExpectedCost

        price = self._account.prices.of(self._spec.model)
        if price is None:
            return None
        method: Literal["free"] | None = "free" if price.free else None
        return ExpectedCost(method=method, star=price.star, luna=price.luna)

    async def _asked_before(self, memory: str) -> SubmitRequest | None:
        """What was asked under this key when the answer did not come; None when it may be asked anew."""
        from lunalux_core.wire.official import SubmitRequest

        cached = await self._cache.get(memory)
        if cached is None or not cached.fresh(now_ms()):
            return None
        with suppress(ValueError):  # a row of another version: it is asked anew
            return SubmitRequest.model_validate(cached.value)
        return None

    async def _patiently(
        self, body: SubmitRequest, key: str
    ) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        """The gateway's events; nothing is asked again once the first of them has come."""
        own = False
        for attempts in reversed(range(PATIENCE)):
            try:
                async with aclosing(self._client.gateway.submit_stream(body, key)) as events:
                    async for event in events:
                        yield event
                return
            except BackendError as error:
                if error.code == "IDEMPOTENCY_MISMATCH" and not own:
                    # Made of the words: whoever asks for the same once more gets the same key, and pays once.
                    own, key = True, f"{key}:{_digest(body.model_dump_json(exclude_none=True))}"
                elif error.code == "OPERATION_IN_PROGRESS" and attempts:
                    wait = error.params.get("seconds")
                    seconds = wait if isinstance(wait, int | float) else 1.0
                    await asyncio.sleep(min(seconds, LONGEST_WAIT_SECONDS))
                else:
                    raise

    def _body(self, request: ModelRequest) -> SubmitRequest:
        from lunalux_core.llm.servers.reply import effective_sampling
        from lunalux_core.wire.official import PromptMessage, SubmitRequest

        chosen = effective_sampling(self._spec.sampling, request.sampling)
        return SubmitRequest(
            model_id=self._spec.model,
            messages=[PromptMessage(role=m.role, content=m.content, name=m.name) for m in request.messages],
            language=request.language,
            character_id=request.market_id,
            temperature=chosen.temperature,
            top_p=chosen.top_p,
            top_k=chosen.top_k,
            max_tokens=chosen.max_tokens,
            frequency_penalty=chosen.frequency_penalty,
            presence_penalty=chosen.presence_penalty,
            repeat_penalty=chosen.repeat_penalty,
        )


def _last(data: dict[str, Any], *, said: bool) -> Delta:
    """The answer's bill; its words only where no piece of them came before, as in a replay."""
    from lunalux_core.wire.official import SubmitResponse

    answer = SubmitResponse.model_validate(data)
    usage, ledger = answer.usage, answer.ledger_summary
    return Delta(
        text="" if said else answer.content,
        thinking="" if said else answer.thinking or "",
        usage=None if usage is None else Usage(usage.prompt_tokens, usage.completion_tokens, usage.estimated),
        finish="stop",
        billing={
            **answer.billing.model_dump(by_alias=True),
            "wallet": answer.wallet.model_dump(by_alias=True),
            "ledgerSummary": ledger and ledger.model_dump(by_alias=True),
            "deactivateBinding": bool(answer.deactivate_binding),
        },
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
