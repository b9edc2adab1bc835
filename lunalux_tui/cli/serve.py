"""`lunalux serve`: the backend over HTTP for many users."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

import typer

from lunalux_core.errors import InvalidInput, StorageError
from lunalux_tui.cli.run import run_work

if TYPE_CHECKING:
    import socket
    from tempfile import TemporaryDirectory

    from lunalux_core.backend.running.backend_settings import BackendSettings
    from lunalux_core.backend.running.services import Services

serve_app = typer.Typer(add_completion=False)
commands = {"serve": serve_app}

Storage = Literal["embedded", "aws"]
# For the replies that were cut: so long they may take to give their coins back.
REFUND_SECONDS = 10
SPARE_CONNECTIONS = 64  # connections are limited before; these are on their way out


@serve_app.command()
def serve(
    host: str = typer.Option("127.0.0.1", "--host", help="Address to listen on; 0.0.0.0 for all."),
    port: int = typer.Option(8080, "--port", help="Port to listen on; 0 takes a free one.", min=0, max=65535),
    storage: str = typer.Option(
        "", "--storage", help="embedded or aws; by default LUNALUX_STORAGE, else embedded."
    ),
    workers: int = typer.Option(1, "--workers", help="Processes that share the port.", min=1, max=64),
) -> None:
    """Run the backend over HTTP for many users.

    Example: lunalux serve --host 0.0.0.0 --port 8080 --storage aws --workers 4

    The log is one JSON object a line, on stderr. SIGTERM and ctrl+c finish the requests under way first;
    what takes longer than SHUTDOWN_GRACE_SECONDS is cut and its coins are given back.
    Variables that configure it are described in docs/operations.md.
    """
    settings, kind = backend_settings(), chosen_storage(storage)
    listening = listen(host, port, workers)
    from lunalux_core.backend.running import logs

    logs.configure(settings.log_level)
    address = f"http://{host}:{listening.getsockname()[1]}"
    logs.logger.info("listening", extra={"url": address, "storage": kind, "workers": workers})
    if workers == 1:
        run_work(lambda: _serve(settings, kind, listening))
    else:
        _serve_many(settings, kind, listening, workers)
    logs.logger.info("stopped", extra={"url": address})


def backend_settings() -> BackendSettings:
    """The server's variables. Raises InvalidInput (CONFIG_INVALID), naming the one that cannot be used."""
    from lunalux_core.backend.running.backend_settings import BackendSettings
    from lunalux_tui.cli.run import command_settings

    settings = BackendSettings.from_env()
    if settings.data_dir is None:
        # Where the app keeps it: both work on the same accounts.
        settings = replace(settings, data_dir=command_settings().paths.backend)
    return settings


def chosen_storage(option: str) -> Storage:
    """The storage of a flag, else of LUNALUX_STORAGE."""
    chosen = option or os.environ.get("LUNALUX_STORAGE") or "embedded"
    if chosen not in {"embedded", "aws"}:
        from lunalux_tui.cli import output

        raise output.not_known("--storage", chosen, ("embedded", "aws"))
    return cast("Storage", chosen)


async def open_services(settings: BackendSettings, kind: Storage, *, served: bool = False) -> Services:
    """The services over a storage. Raises StorageError, or InvalidInput where a variable is missing."""
    assert settings.data_dir is not None
    if kind == "aws":
        from lunalux_core.backend.running.aws import open_aws

        return open_aws(settings, data_dir=None if served else settings.data_dir)
    from lunalux_core.backend.running.embedded import open_embedded

    return await open_embedded(settings.data_dir, settings, served=served)


async def _serve(settings: BackendSettings, kind: Storage, listening: socket.socket) -> None:
    """One process: serve until a signal comes, then close everything in order."""
    from lunalux_core.backend.running import upkeep
    from lunalux_core.backend.web.app import create_app
    from lunalux_tui.cli.http_server import on_signals

    services = await open_services(settings, kind, served=True)
    chores = asyncio.create_task(upkeep.run(services))
    try:
        server = _server(create_app(services), settings)
        on_signals(lambda: setattr(server, "should_exit", True))
        await server.serve(sockets=[listening])
        await services.unwatched.finish(settings.shutdown_grace_s)  # their readers left, their coins did not
        if cut := set(server.server_state.tasks):  # they outlasted the grace: each gives its coins back
            await asyncio.wait(cut, timeout=REFUND_SECONDS)
    finally:
        chores.cancel()
        with suppress(asyncio.CancelledError):
            await chores
        await services.aclose()


def _server(app: Any, settings: BackendSettings) -> Any:
    """uvicorn without a log format of its own (its errors go where ours go) and without signals, which lets
    nobody hold connections that ask for nothing."""
    import logging

    import uvicorn
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    from lunalux_core.backend.web.connections import Allowance, Connections, affordable
    from lunalux_tui.cli.http_server import HttpServer

    most = affordable(settings.max_connections)
    connections = Connections(
        Allowance(
            most, settings.max_connections_per_address, settings.header_timeout_s, settings.trusted_proxies
        )
    )

    class Server(HttpServer):
        async def on_tick(self, counter: int) -> bool:
            # uvicorn ticks every tenth of a second: once a second is enough.
            if counter % 10 == 0:
                connections.look()
            return await super().on_tick(counter)

    from lunalux_core.backend.running.logs import logger

    errors = logging.getLogger("uvicorn.error")
    errors.handlers, errors.propagate = list(logger.handlers), False
    errors.setLevel(logging.WARNING)
    config = uvicorn.Config(
        app,
        # The services are opened and closed around the server, not by it.
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
        http=connections.protocol(AutoHTTPProtocol),
        ws="none",
        limit_concurrency=most + SPARE_CONNECTIONS,
    )
    return Server(config)


def _serve_many(settings: BackendSettings, kind: Storage, listening: socket.socket, workers: int) -> None:
    """Several processes over one socket; each opens services of its own, and one that dies is replaced."""
    import multiprocessing
    import time

    # Not forked: a copy of this process would share whatever is open in it.
    context = multiprocessing.get_context("spawn")
    stopping = False
    counted = _shared_counts(settings)

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)

    def start() -> multiprocessing.process.BaseProcess:
        worker = context.Process(target=_worker, args=(settings, kind, listening))
        worker.start()
        return worker

    running = [start() for _ in range(workers)]
    # Looked at and not waited for: any of them may end first, and a signal has to be heard meanwhile.
    while not stopping:
        time.sleep(0.2)
        for place, worker in enumerate(running):
            if not worker.is_alive() and not stopping:
                running[place] = start()
    for worker in running:
        # All are told before any is waited for, so that they finish their requests at the same time.
        worker.terminate()
    for worker in running:
        # As long as a worker may take itself: its requests end, then their coins are given back.
        worker.join(settings.shutdown_grace_s + REFUND_SECONDS)
    if counted is not None:
        counted.cleanup()


def _shared_counts(settings: BackendSettings) -> TemporaryDirectory[str] | None:
    """The folder in which the workers' metrics add up, named to them in the environment; None where there
    are none, or the operator has named one."""
    from lunalux_core.backend.running.metrics import SHARED_FOLDER

    if not settings.metrics or os.environ.get(SHARED_FOLDER):
        return None
    from tempfile import TemporaryDirectory

    folder = TemporaryDirectory(prefix="lunalux-metrics-")
    os.environ[SHARED_FOLDER] = folder.name
    return folder


def _worker(settings: BackendSettings, kind: Storage, listening: socket.socket) -> None:
    """What one of several processes does."""
    from lunalux_core.backend.running import logs

    logs.configure(settings.log_level)
    # How `run_work` ends by a signal that comes before the server takes signals itself.
    with suppress(KeyboardInterrupt):
        run_work(lambda: _serve(settings, kind, listening))


def listen(host: str, port: int, workers: int) -> socket.socket:
    """A bound socket. Raises InvalidInput for a blank host, StorageError where the address cannot be had."""
    import socket

    if not host.strip():
        # A shell gives "" for a variable that is not set; to the system it would be every address there is.
        raise InvalidInput(
            "USAGE",
            "An empty text names no address to listen on.",
            "Name one, or 0.0.0.0 for all; if a shell put it there, see whether its variable is set.",
            kind="no_host",
        )
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With the protocol named, asyncio sends small packets at once; else every answer on a connection that
        # is kept waits 40 ms for the other side's acknowledgement.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Connections of a server that has just ended hold the port for a minute otherwise.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)  # whoever connects from now on waits for the first worker
        listening.set_inheritable(workers > 1)
        return listening
    except OSError as error:
        raise StorageError(
            "ADDRESS_UNAVAILABLE",
            f"Lunalux cannot listen on {host}:{port}: {error.strerror or error}.",
            "Choose another --port, or end the program that uses it.",
            host=host,
            port=port,
            reason=str(error.strerror or error),
        ) from error
