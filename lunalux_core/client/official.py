"""The billed gateway as a ChatModel: the same stream as any model, with a bill at the end.

There is no fallback: when the official path fails, its error is what the person sees (SPEC 1.1).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from lunalux_core.llm.model import Delta, ModelRequest, ModelSpec, Sampling, Usage

if TYPE_CHECKING:
    from lunalux_core.client.backend import BackendClient


class OfficialModel:
    """One row of the official price list, reached through the gateway.

    Args:
        ready: makes sure of a session; called before each reply.
    """

    def __init__(
        self, client: BackendClient, spec: ModelSpec, ready: Callable[[], Awaitable[object]]
    ) -> None:
        self._client = client
        self._spec = spec
        self._ready = ready

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """Stream one reply; the last delta carries `billing`: method, cost, modelId, wallet, ledgerSummary,
        deactivateBinding.

        Raises:
            SessionError, PaymentError, BackendError, NetworkError: as the gateway says; a repeated call with
                the same `request_id` never pays twice.
        """
        from lunalux_core.wire.official import PromptMessage, SubmitRequest, SubmitResponse

        chosen = _merged(request.sampling, self._spec.sampling)
        body = SubmitRequest(
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
        await self._ready()
        said = 0
        async with aclosing(self._client.submit_stream(body, request.request_id)) as events:
            async for name, data in events:
                if name == "delta":
                    said += len(data["text"])
                    yield Delta(text=data["text"])
                elif name == "thinking":
                    yield Delta(thinking=data["text"])
                elif name == "done":
                    answer = SubmitResponse.model_validate(data)
                    usage = answer.usage
                    yield Delta(
                        # A replayed answer comes in one piece, without deltas.
                        text="" if said else answer.content,
                        thinking="" if said else answer.thinking or "",
                        usage=None
                        if usage is None
                        else Usage(usage.prompt_tokens, usage.completion_tokens, usage.estimated),
                        finish="stop",
                        billing={
                            **answer.billing.model_dump(by_alias=True),
                            "wallet": answer.wallet.model_dump(by_alias=True),
                            "ledgerSummary": answer.ledger_summary
                            and answer.ledger_summary.model_dump(by_alias=True),
                            "deactivateBinding": bool(answer.deactivate_binding),
                        },
                    )


def _merged(asked: Sampling, saved: Sampling) -> Sampling:
    names = Sampling.__dataclass_fields__
    return Sampling(
        **{n: getattr(asked, n) if getattr(asked, n) is not None else getattr(saved, n) for n in names}
    )
