"""How fast a key is echoed while a very long prompt is assembled, counted, sent and read by its server.

    python benchmarks/long_prompt.py --tokens 200000 -n 3

The app on a pseudo-terminal with a conversation of so many tokens and a server on loopback that says what
llama.cpp says of itself: its window holds the prompt, it counts tokens, and it reads for a while before its
first word. Enter is pressed, and then one letter after the other; an echo is the time from the key to the
letter on screen. Ends with 1 where the 95th percentile is above 50 ms, or the server did not get the prompt.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from long_conversation import fill
from screen_probe import Probe

MOST_MS = 50.0
WINDOW = 262_144
LETTERS = "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΠΡΣΤΥΦΧΨΩБГДЖЗИЛПУФЦЧШЩЫЭЮЯ"
TOKENS_OF_A_MESSAGE = 75
READS_SECONDS = 3.0


class Server(BaseHTTPRequestHandler):
    """A model server that reads long prompts slowly. `prompts` are the sizes in bytes of what it was sent."""

    protocol_version = "HTTP/1.1"
    prompts: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        if self.path.endswith("/props"):
            self._answer({"default_generation_settings": {"n_ctx": WINDOW}, "total_slots": 1})
        elif self.path.endswith("/models"):
            self._answer({"data": [{"id": "m", "meta": {"n_ctx": WINDOW}}]})
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.endswith("/tokenize"):
            text = json.loads(body or b"{}").get("content", "")
            self._answer({"tokens": [1] * (len(text) // 4)})
            return
        if not self.path.endswith("/chat/completions"):
            self.send_error(404)
            return
        self.prompts.append(len(body))
        time.sleep(READS_SECONDS)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for delta, finish in (({"content": "ENDOFREPLY"}, None), ({}, "stop")):
            event = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _answer(self, document: object) -> None:
        data = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the app is ended while connections are open
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is told."""


def measure(home: Path, url: str) -> list[float]:
    """Echoes in milliseconds, from pressing enter on."""
    config = home / "config" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(
        f'[chat]\nmodel = "own"\ncontext_tokens = {WINDOW}\n'
        f'[models.own]\nprovider = "llamacpp"\nmodel = "m"\nbase_url = "{url}/v1"\n'
        f"context_tokens = {WINDOW}\n"
    )
    environ = {**os.environ, "LUNALUX_HOME": str(home), "LUNALUX_LANG": "en", "TERM": "xterm-256color"}
    probe = Probe([sys.executable, "-m", "lunalux_tui"], environ)
    try:
        probe.wait("LASTWORDS")
        probe.rest(3)
        probe.send("go on")
        probe.wait("on")
        probe.send("\r")
        echoes = []
        for letter in LETTERS:
            pressed = probe.send(letter)
            echoes.append((probe.wait(letter) - pressed) * 1000)
            probe.rest(0.05)
        probe.wait("ENDOFREPLY", 120)
        return echoes
    finally:
        probe.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("-n", "--runs", type=int, default=3)
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    echoes: list[float] = []
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory(prefix="lunalux-bench-") as folder:
            asyncio.run(fill(Path(folder), arguments.tokens // TOKENS_OF_A_MESSAGE))
            echoes += measure(Path(folder), f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    p95 = statistics.quantiles(echoes, n=20)[-1]
    sent = ", ".join(f"{size / 1e6:.2f} MB" for size in Server.prompts)
    median = statistics.median(echoes)
    print(f"{len(echoes)} echoes: median {median:.1f}, p95 {p95:.1f}, most {max(echoes):.1f} ms")
    print(f"prompts that arrived: {sent}")
    return 0 if p95 <= MOST_MS and len(Server.prompts) >= arguments.runs else 1


if __name__ == "__main__":
    sys.exit(main())
