"""`lunalux api`: characters as models for any client that speaks OpenAI's protocol."""

from __future__ import annotations

import ipaddress
import secrets
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from lunalux_core.errors import InvalidInput
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.run import with_runtime

if TYPE_CHECKING:
    import socket

api_app = typer.Typer(add_completion=False)
commands = {"api": api_app}

KEY = "api:key"
"""Name of the key in the store of secrets."""
LONGEST_KEY = 512
GRACE_SECONDS = 10
"""What is still streaming at the end is then stopped, and kept as a stopped reply is."""


@api_app.command()
def api(
    host: str = typer.Option("127.0.0.1", "--host", help="Address to listen on."),
    port: int = typer.Option(8788, "--port", help="Port to listen on; 0 takes a free one.", min=0, max=65535),
    key_stdin: bool = typer.Option(
        False, "--key-stdin", help="Read the key that clients send from stdin, and keep it."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the address and the key as one JSON document."),
) -> None:
    """Serve characters as models, until ctrl+c: chat completions as OpenAI has them.

    The model is a character's name, or NAME@PROFILE. Each call is a turn with card, worldbooks, preset,
    scripts and memory; the conversation is the one that the header X-Lunalux-Conversation names, else one
    for each client. The key is made at the first start and stays the same.

    Examples: lunalux api; lunalux api --port 0 --json
    """
    given = _read_key() if key_stdin else ""
    from lunalux_tui.cli.serve import listen

    # Before the library is opened, so that a port that is taken is told at once.
    listening = listen(host, port, 1)

    async def work(runtime: Runtime) -> None:
        await runtime.first_start()
        await runtime.chat.recover(output.journal_damaged)
        # In one step, so that two servers that start together have one key.
        key = runtime.credentials.update(KEY, lambda before: given or before or _new_key())
        assert key is not None
        place = f"[{host}]" if ":" in host else host
        url = f"http://{place}:{listening.getsockname()[1]}/v1"

        def ready() -> None:
            if as_json:
                output.print_line({"url": url, "port": listening.getsockname()[1], "key": key})
            else:
                output.print_text(f"{url}\n{key}")
                output.say("api_ready")
            # A program that starts this one reads the address from a pipe, and waits for it.
            sys.stdout.flush()
            if not _on_loopback(host):
                output.say("api_open")

        await _serve(runtime, key, listening, ready)

    with_runtime(work)


def _read_key() -> str:
    """The key on stdin. Raises InvalidInput (API_KEY_INVALID)."""
    # A little more than the longest key, to know one that is too long.
    key = sys.stdin.readline(LONGEST_KEY + 2).strip()
    # What a header of a request can hold.
    if not key or len(key) > LONGEST_KEY or not all("!" <= sign <= "~" for sign in key):
        raise InvalidInput(
            "API_KEY_INVALID",
            "There is no key on stdin that a client can send.",
            f"Give one line of at most {LONGEST_KEY} letters, digits and signs without blanks.",
            limit=LONGEST_KEY,
        )
    return key


def _new_key() -> str:
    return f"lux-{secrets.token_urlsafe(32)}"


def _on_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _serve(runtime: Runtime, key: str, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Call `ready`, then answer until a signal comes; replies under way get a little time to end."""
    import uvicorn

    from lunalux_core.character_api.completion_routes import create_app
    from lunalux_tui.cli.http_server import HttpServer, on_signals

    # A single command ends before anything could be written in the background; a server goes on.
    runtime.writes_memories = True
    config = uvicorn.Config(
        create_app(runtime, key),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = HttpServer(config)
    on_signals(lambda: setattr(server, "should_exit", True))
    ready()
    await server.serve(sockets=[listening])
