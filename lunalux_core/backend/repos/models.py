"""The price list: rows that operators write and the API only reads.

See docs/spec/backend.md: Tables, Counters and ranking, Money rules.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict
from typing import Any

from lunalux_core.backend.money.billing import ModelConfig
from lunalux_core.backend.running.logs import logger
from lunalux_core.backend.storage.foreign_values import LARGEST, as_json
from lunalux_core.backend.storage.table import ConditionFailed, Delete, Exists, Item, Key, Store, Update
from lunalux_core.errors import InvalidInput, NotFound

CACHE_SECONDS = 60.0
CAPS = ("maxInputChars", "maxOutputTokens")
_ATTRIBUTES = (
    *("displayname", "modelType", "modelName", "modelId", "freeLevel", "allowStar", "allowLuna"),
    *("starCost", "lunaCost", "sortOrder", *CAPS),
)
LONGEST_NAME = 128
MODEL_TYPES = ("openai", "gemini", "practice")


class ModelConfigs:
    """The rows, kept for a minute; one request reads them, the others wait for it."""

    def __init__(self, store: Store, table: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store, self._table, self._monotonic = store, table, monotonic
        self._lock = asyncio.Lock()
        self._kept: tuple[float, tuple[ModelConfig, ...]] | None = None
        self._version: str | None = None
        self._asked = False
        self._told: set[str] = set()

    async def list(self) -> tuple[ModelConfig, ...]:
        """All rows that are whole, by `sortOrder`; those that `config_of` cannot use are dropped."""
        async with self._lock:
            if self._kept is None or self._monotonic() - self._kept[0] >= CACHE_SECONDS:
                whole = [row async for row in self._rows()]
                whole.sort(key=lambda row: (row.sort_order, row.model_id))
                self._kept = (self._monotonic(), tuple(whole))
                self._version = version_of(whole)
            return self._kept[1]

    async def _rows(self) -> AsyncIterator[ModelConfig]:
        unusable: set[str] = set()
        async for item in self._store.scan_all(self._table):
            config = config_of(item)
            if config is not None:
                yield config
            elif item["SK"] == "MODEL":
                unusable.add(str(item["PK"]))
        # The list is read every minute; an operator needs to be told once.
        for pk in sorted(unusable - self._told):
            logger.warning("a row of the price list cannot be used", extra={"pk": pk})
        self._told = unusable

    def version(self) -> str | None:
        """A name for the rows as they were last read, None before that. It reads nothing itself."""
        self._asked = True
        return self._version

    async def freshen(self) -> None:
        """Read the rows anew if somebody asked for their version since: for a timer."""
        if self._asked:
            self._asked = False
            await self.list()

    async def require(self, model_id: str) -> ModelConfig:
        """The row that says what a model is and costs.

        Raises:
            NotFound: MODEL_NOT_FOUND.
        """
        for config in await self.list():
            if config.model_id == model_id:
                return config
        raise _no_model(model_id)

    async def put(self, config: ModelConfig) -> None:
        """Write a row, for operators and the seed. What else an existing row says stays.

        Raises:
            InvalidInput: INVALID_REQUEST, a value that could never be charged or called.
        """
        _check(config)
        row = item_of(config)
        key = Key(row.pop("PK"), row.pop("SK"))
        # An update leaves what it does not name, so a cap that was taken away is named.
        gone = [name for name in CAPS if name not in row]
        await self._store.write(Update(self._table, key, set=row, remove=gone))
        self._kept = None

    async def delete(self, model_id: str) -> None:
        """Take a row out of the price list, for operators.

        Raises:
            NotFound: MODEL_NOT_FOUND.
        """
        try:
            await self._store.write(Delete(self._table, Key(f"MODEL#{model_id}", "MODEL"), when=Exists()))
        except ConditionFailed:
            raise _no_model(model_id) from None
        self._kept = None


def config_of(item: Item) -> ModelConfig | None:
    """The row in an item, None where key fields are missing, of another kind, or not those of its key.

    Costs are whole numbers: a row that asks for a fraction of a coin takes no such coin.
    """
    texts = [item.get(name) for name in ("modelId", "displayname", "modelType", "modelName")]
    if item.get("SK") != "MODEL" or not all(isinstance(text, str) and text for text in texts):
        return None
    model_id, displayname, model_type, model_name = (str(text) for text in texts)
    # Else a row could set the price of a model that has a row of its own.
    if item["PK"] != f"MODEL#{model_id}":
        return None
    # Not `isinstance`, for which true is a number, too.
    if type(item.get("freeLevel")) is not int:
        return None
    attributes = {"PK", "SK", *_ATTRIBUTES}
    return ModelConfig(
        model_id=model_id,
        displayname=displayname,
        model_type=model_type,
        model_name=model_name,
        free_level=item["freeLevel"],
        allow_star=item.get("allowStar") is True,
        allow_luna=item.get("allowLuna") is True,
        star_cost=_whole(item, "starCost", -1),
        luna_cost=_whole(item, "lunaCost", -1),
        sort_order=_whole(item, "sortOrder", 0),
        max_input_chars=_cap(item, "maxInputChars"),
        max_output_tokens=_cap(item, "maxOutputTokens"),
        extra={name: as_json(value) for name, value in sorted(item.items()) if name not in attributes},
    )


def version_of(rows: list[ModelConfig]) -> str:
    """The same for the same rows, on every instance."""
    text = json.dumps([asdict(row) for row in rows], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def item_of(config: ModelConfig) -> dict[str, Any]:
    row = {
        "PK": f"MODEL#{config.model_id}",
        "SK": "MODEL",
        "displayname": config.displayname,
        "modelType": config.model_type,
        "modelName": config.model_name,
        "modelId": config.model_id,
        "freeLevel": config.free_level,
        "allowStar": config.allow_star,
        "allowLuna": config.allow_luna,
        "starCost": config.star_cost,
        "lunaCost": config.luna_cost,
        "sortOrder": config.sort_order,
        "maxInputChars": config.max_input_chars,
        "maxOutputTokens": config.max_output_tokens,
    }
    return {name: value for name, value in row.items() if value is not None}


def _no_model(model_id: str) -> NotFound:
    return NotFound(
        "MODEL_NOT_FOUND",
        "This official model does not exist.",
        "Choose one of `lunalux model list`.",
        model=model_id[:128],
    )


def _whole(item: Mapping[str, Any], name: str, default: int) -> int:
    value = item.get(name, default)
    return value if type(value) is int else default


def _cap(item: Mapping[str, Any], name: str) -> int | None:
    value = item.get(name)
    return value if type(value) is int and value > 0 else None


def _check(config: ModelConfig) -> None:
    if config.model_type not in MODEL_TYPES:
        raise InvalidInput(
            "INVALID_REQUEST",
            f"The model type is one of {', '.join(MODEL_TYPES)}.",
            "Correct the model's type.",
            model_type=config.model_type,
            kind="model_type",
            types=", ".join(MODEL_TYPES),
        )
    names = (config.model_id, config.displayname, config.model_name)
    if not all(0 < len(name) <= LONGEST_NAME and name.isprintable() and name.strip() for name in names):
        raise InvalidInput(
            "INVALID_REQUEST",
            f"A model needs an id, a display name and a model name, each of 1 to {LONGEST_NAME} printable "
            "characters.",
            kind="model_names",
            most=LONGEST_NAME,
        )
    numbers = (config.free_level, config.star_cost, config.luna_cost)
    others = (config.sort_order, config.max_input_chars or 0, config.max_output_tokens or 0)
    if min(numbers) < -1 or max(map(abs, (*numbers, *others))) > LARGEST:
        raise InvalidInput(
            "INVALID_REQUEST",
            f"Levels and costs are whole numbers from -1 on, and no number is beyond {LARGEST}.",
            kind="model_numbers",
            most=LARGEST,
        )
