"""What every body has in common: camelCase on the wire, immutability, the envelope.

See docs/spec/backend.md: Storage port.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticUseDefault

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
"""What may become part of a storage key: ASCII without the separators `#` and `/`."""


def _default_for_null(value: Any) -> Any:
    if value is None:
        raise PydanticUseDefault
    return value


NULL_IS_ABSENT = BeforeValidator(_default_for_null)
"""For a request's member whose default is not null: a client that has nothing to say there may say null."""


class Wire(BaseModel):
    """A JSON object of the API. Unknown members are ignored, so that old servers meet new clients."""

    # JSON has neither NaN nor infinity, though Python reads and writes both. By either name: clients send
    # camelCase, our own code makes bodies by the names of the fields.
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, allow_inf_nan=False, extra="ignore"
    )

    @classmethod
    def of(cls, value: object, /, **besides: Any) -> Self:
        """The JSON object of a value that has attributes of the same names; `besides` go before them.

        Raises:
            pydantic.ValidationError: an attribute is missing or not of the type that the wire has.
        """
        # What the value does not have is left to its default.
        own = {name: getattr(value, name) for name in cls.model_fields if hasattr(value, name)}
        return cls.model_validate(own | besides)


class Success(Wire):
    """The envelope of every answer that is not an error."""

    success: Literal[True] = True


class Failure(Wire):
    """The envelope of every error: a stable code, and a sentence for people. `config` comes with
    PRICE_CHANGED alone: the row of the price list as it is now."""

    success: Literal[False] = False
    code: str
    message: str | None = None
    config: dict[str, Any] | None = None
