"""A new price and a new model reach an open client by the version that every answer names: nobody polls."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fault_proxy import FaultProxy
from served_backend import device, serve

from lunalux_core.dialogue.turn import TurnOptions
from lunalux_core.runtime import Runtime

LIST = "GET /api/model-config/list"
SERVER_LEARNS_S = 75
"""A server that did not write a price itself reads it within a minute."""


@pytest.mark.slow
async def test_prices_and_models_come_with_the_version_and_nothing_is_asked_for_in_vain(
    tmp_path: Path,
) -> None:
    started = serve(tmp_path / "server", LUNALUX_PRACTICE_RATE="100000")
    server = await asyncio.to_thread(next, started)
    try:
        async with (
            FaultProxy(server.port).running() as proxy,
            device(tmp_path / "here", proxy.url) as runtime,
        ):
            await runtime.account.sign_up("ada@example.org", "four unrelated quiet words")
            await runtime.account.sign_in("ada@example.org", "four unrelated quiet words")
            await runtime.first_start()
            assert prices(runtime)["002"] == 5 and "009" not in prices(runtime)
            row = ("--type", "practice", "--model", "practice")
            put = ("model", "put", "002", "--name", "Lamp", *row, "--star-cost", "7")
            await asyncio.to_thread(server.admin, *put)
            put = ("model", "put", "009", "--name", "Muse", *row, "--free-level", "0")
            await asyncio.to_thread(server.admin, *put)

            before = dict(proxy.count)
            await asyncio.sleep(3)
            assert dict(proxy.count) == before, "an idle client asks for nothing"

            lists = proxy.count[LIST]
            place = (await runtime.chat.open((await runtime.library.characters.list())[0].id)).id
            for _ in range(SERVER_LEARNS_S // 3):
                async for _event in runtime.chat.send(place, "Hello", TurnOptions(model="official:001")):
                    continue  # its answer names the version
                await runtime.account.ensure()
                if "009" in prices(runtime):
                    break
                assert proxy.count[LIST] == lists, "a version that is known is no reason to fetch"
                await asyncio.sleep(3)
            assert prices(runtime)["002"] == 7 and prices(runtime)["009"] == -1
            assert proxy.count[LIST] == lists + 1
            await runtime.account.ensure()
            assert proxy.count[LIST] == lists + 1
    finally:
        await asyncio.to_thread(next, started, None)


def prices(runtime: Runtime) -> dict[str, int]:
    """Star coins by model, as the client knows them."""
    return {row["modelId"]: row["starCost"] for row in runtime.account.state.models}
