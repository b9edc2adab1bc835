"""Serves the app to a browser on this computer, one process of the app for each open page."""

from __future__ import annotations

import asyncio
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from textual_serve.server import Server

from lunalux_core.errors import InvalidInput
from lunalux_tui.web.token_check import guard

PAGE = Path(__file__).parent / "page"
LOOPBACK = "127.0.0.1"


class BrowserServer(Server):
    """textual-serve with our page, behind our door, on a socket that is already bound."""

    def __init__(self, listener: socket.socket, token: str) -> None:
        port = listener.getsockname()[1]
        super().__init__(_child(), host=LOOPBACK, port=port, title="Lunalux", templates_path=PAGE)
        self._listener = listener
        self._token = token

    @property
    def address(self) -> str:
        """What to open in the browser, with the token."""
        return f"{self.public_url}/?token={self._token}"

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(guard(self._token, self.port))
        app.router.add_get("/page.js", _script)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Nothing: the command prints the address itself."""

    async def handle_index(self, request: web.Request) -> Any:
        """The page, with addresses of the name it was asked for, so that the cookie goes along."""
        self.public_url = f"http://{request.host}"
        return await super().handle_index(request)

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM; every process of the app is ended. `ready` is called once."""
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            except NotImplementedError:  # Windows: KeyboardInterrupt ends asyncio.run
                break
        runner = web.AppRunner(await self._make_app(), access_log=None, shutdown_timeout=5)
        await runner.setup()
        try:
            await web.SockSite(runner, self._listener).start()
            ready()
            await stop.wait()
        finally:
            await runner.cleanup()


async def _script(request: web.Request) -> web.StreamResponse:
    return web.FileResponse(PAGE / "page.js")


def listen(port: int) -> socket.socket:
    """A bound loopback socket; port 0 takes a free one.

    Raises:
        InvalidInput: PORT_TAKEN.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # On Windows the option would let two programs share the port.
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise InvalidInput(
            "PORT_TAKEN",
            f"Port {port} cannot be used: {error.strerror}.",
            "Choose another with --port, or 0 for any free one.",
            port=port,
            reason=error.strerror,
        ) from None
    listener.listen()
    listener.setblocking(False)
    return listener


def _child() -> str:
    arguments = [sys.executable, "-m", "lunalux_tui.web.served_app"]
    return subprocess.list2cmdline(arguments) if sys.platform == "win32" else shlex.join(arguments)
