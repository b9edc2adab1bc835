"""`lunalux web`: the app in the browser of this computer."""

from __future__ import annotations

import asyncio
import secrets
import sys

import typer

from lunalux_core.errors import InvalidInput
from lunalux_tui.cli import output
from lunalux_tui.cli.run import command_settings

web_app = typer.Typer(add_completion=False)
commands = {"web": web_app}

DEFAULT_PORT = 8787


@web_app.command()
def web(
    port: int = typer.Option(DEFAULT_PORT, min=0, max=65535, help="Port on loopback; 0 takes a free one."),
    open_browser: bool = typer.Option(False, "--open", help="Open the address in the browser."),
    as_json: bool = typer.Option(False, "--json", help="Print the address as one JSON document."),
) -> None:
    """Serve the app to the browser of this computer, until ctrl+c.

    It serves only this computer, and only those who have the token in the printed address. Each page that
    is opened is an app of its own on the same library.

    Examples: lunalux web --open; lunalux web --port 0 --json
    """
    command_settings()
    try:
        from lunalux_tui.web.server import BrowserServer, listen
    except ModuleNotFoundError as error:
        raise InvalidInput(
            "WEB_MISSING",
            "The parts for the browser are not installed.",
            "Install them with `pip install '.[web]'` in the folder of Lunalux.",
            module=error.name,
        ) from None
    server = BrowserServer(listen(port), secrets.token_urlsafe(24))

    def ready() -> None:
        if as_json:
            output.print_line({"url": server.address, "port": server.port})
        else:
            output.print_text(server.address)
            # Whoever started it in the background waits for this line.
            sys.stdout.flush()
            output.say("open_address")
        if open_browser:
            import webbrowser

            webbrowser.open(server.address)

    asyncio.run(server.run(ready))
