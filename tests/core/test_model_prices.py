"""What tokens cost: whose numbers count, what is no price, and what a conversation took."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from llm_server import chunk, event, raw
from test_directing import collect, world

from lunalux_core.config.paths import Paths
from lunalux_core.llm.model import ModelOptions, ModelSpec, Usage
from lunalux_core.llm.model_prices import PriceList, Prices, openrouter_prices
from lunalux_core.llm.model_registry import Registry


async def test_the_list_knows_hosted_models_and_keeps_what_it_said(tmp_path: Path) -> None:
    place = tmp_path / "cache" / "prices.json"
    prices = await PriceList(place).find(ModelSpec("x", "openai", "gpt-4o"))
    assert prices is not None and prices.source == "list"
    assert 0 < prices.cached < prices.read < prices.written < 100
    again = await PriceList(place).find(ModelSpec("y", "openai", "gpt-4o"))
    assert again == prices and "gpt-4o" in place.read_text()
    place.write_text("[[[")
    assert await PriceList(place).find(ModelSpec("x", "openai", "gpt-4o")) == prices


@pytest.mark.parametrize(
    ("provider", "model", "url"),
    [
        ("openai", "no-such-model-anywhere", ""),
        ("openai", "gpt-4o", "http://127.0.0.1:8080/v1"),
        ("openai", "gpt-4o", "http://localhost:1/v1"),
        ("openai", "gpt-4o", "http://10.0.0.7/v1"),
        ("llamacpp", "gpt-4o", ""),
        ("ollama", "llama3", ""),
    ],
)
async def test_what_nobody_lists_has_no_price(provider: Any, model: str, url: str) -> None:
    assert await PriceList().find(ModelSpec("x", provider, model, url)) is None


@pytest.mark.parametrize(
    ("pricing", "prices"),
    [
        ({"prompt": "0.000003", "completion": "0.000015"}, (3.0, 3.0, 15.0)),
        ({"prompt": "0.000003", "completion": "0.000015", "input_cache_read": "0.0000003"}, (3.0, 0.3, 15.0)),
        ({"prompt": "0", "completion": "0"}, (0.0, 0.0, 0.0)),
        ({"prompt": "-1", "completion": "-1"}, None),
        ({"prompt": "dear", "completion": "1"}, None),
        ({"prompt": "nan", "completion": "inf"}, None),
        ({"prompt": None}, None),
        (7, None),
    ],
)
def test_openrouters_list_is_read_for_what_are_prices(pricing: Any, prices: Any) -> None:
    assert openrouter_prices({"pricing": pricing}) == prices


async def test_a_persons_numbers_go_before_every_list() -> None:
    registry = Registry(prices=PriceList())
    own = ModelSpec("x", "openai", "gpt-4o", options=ModelOptions(price=(1, 2, 3)))
    assert await registry.prices(own) == Prices(1, 2, 3, "person")
    listed = await registry.prices(ModelSpec("x", "openai", "gpt-4o"))
    assert listed is not None and listed.source == "list"
    assert await registry.prices(ModelSpec("practice", "practice", "practice")) is None
    assert await Registry().prices(ModelSpec("x", "openai", "gpt-4o")) is None


def test_a_cost_counts_what_came_from_the_cache() -> None:
    cost = Prices(3, 0.3, 15, "list").cost(Usage(1000, 100, cached_tokens=900))
    assert cost == {"amount": 0.00207, "currency": "USD", "source": "list"}


async def test_what_the_server_told_is_kept_and_summed(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(paths, monkeypatch) as here:
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "cost": 0.002}
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}
        here.server.will(raw(chunk("Yes."), event(end), b"data: [DONE]\n\n"))
        await collect(here.runtime.chat.send(here.place, "And?"))
        reply = (await here.page())[-1]
        assert reply.extra["cost"] == {"amount": 0.002, "currency": "USD", "source": "server"}
        await collect(here.runtime.chat.regenerate(reply.id))
        here.answers("No.")
        await collect(here.runtime.chat.regenerate(reply.id))
        spent = await here.runtime.library.conversations.spending(here.place)
        assert (spent.replies, spent.unpriced, spent.amounts) == (3, 1, {"USD": 0.004})
        assert spent.prompt_tokens > 200 and spent.estimated == 1
        bad = {**end, "usage": {**usage, "cost": "dear"}}
        here.server.will(raw(chunk("Yes."), event(bad), b"data: [DONE]\n\n"))
        await collect(here.runtime.chat.send(here.place, "And?"))
        assert "cost" not in (await here.page())[-1].extra


def test_the_list_is_not_loaded_before_a_reply() -> None:
    code = "import sys, lunalux_core.dialogue.node_order; print('genai_prices' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
