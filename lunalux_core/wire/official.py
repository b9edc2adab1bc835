"""Bodies of the official models: their list, and the billed gateway.

See docs/spec/backend.md: HTTP API, Money rules.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints

from lunalux_core.language import Language
from lunalux_core.wire.users import Ledger, Wallet
from lunalux_core.wire.wire_body import NULL_IS_ABSENT, Identifier, Success, Wire

Prompt = Annotated[str, StringConstraints(max_length=4_000_000)]


class ModelConfig(Wire):
    """One row of the price list. A cost of -1 means that this coin is not taken; `free_level` -1 never,
    0 for everybody, n from Lux level n. What else an operator wrote in the row comes along as it is."""

    model_config = ConfigDict(extra="allow")

    displayname: str
    model_type: str
    model_name: str
    model_id: str
    free_level: int
    allow_star: bool
    allow_luna: bool
    star_cost: int
    luna_cost: int
    sort_order: int
    max_input_chars: int | None = None
    max_output_tokens: int | None = None

    @classmethod
    def of(cls, value: object, /, **besides: Any) -> Self:
        """As for every body; the rest of the row lies in `value.extra` and never hides a price."""
        extra = {
            name: more for name, more in getattr(value, "extra", {}).items() if name not in cls.model_fields
        }
        return super().of(value, **{**extra, **besides})


class ModelConfigsResponse(Success):
    """`model_config_version` is another one whenever any row is."""

    configs: list[ModelConfig]
    model_config_version: str | None = None


class PromptMessage(Wire):
    role: Literal["system", "user", "assistant"]
    content: Prompt
    name: Annotated[str, StringConstraints(max_length=256)] | None = None


class ExpectedCost(Wire):
    """What a person was shown before the reply: how it is paid, and what it costs in each coin.

    A coin that was shown as not taken is left out, or -1.
    """

    method: Literal["free", "star", "luna"] | None = None
    star: int | None = None
    luna: int | None = None


class SubmitRequest(Wire):
    """One official reply. `llm_type`, `model_name`, `base_url` and `raw` are read by nobody: the price
    list alone says what `model_id` is. `messages`, where given, replaces the two texts. With
    `expected_cost` a reply that became dearer is refused (PRICE_CHANGED) instead of charged."""

    user_id: str | None = Field(default=None, max_length=128)
    model_id: str | None = Field(default=None, max_length=128)
    system_message: Annotated[Prompt, NULL_IS_ABSENT] = ""
    user_message: Annotated[Prompt, NULL_IS_ABSENT] = ""
    # Bounded like every list that a stranger may send.
    messages: Annotated[list[PromptMessage], Field(max_length=10_000)] | None = None
    language: Annotated[Language, NULL_IS_ABSENT] = "en"
    character_id: Identifier | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=10_000)] | None = None
    max_tokens: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0, le=10)] | None = None
    expected_cost: ExpectedCost | None = None


class Billing(Wire):
    """How the reply was paid; `cost` is 0 where `method` is `free`."""

    method: Literal["free", "star", "luna"]
    cost: int
    model_id: str


class TokenUsage(Wire):
    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False


class SubmitResponse(Success):
    """`deactivate_binding` is true when the named community character no longer exists. A
    `model_config_version` that the client does not know says that the price list has changed."""

    content: str
    wallet: Wallet
    billing: Billing
    ledger_summary: Ledger | None = None
    deactivate_binding: bool | None = None
    thinking: str | None = None
    usage: TokenUsage | None = None
    model_config_version: str | None = None
