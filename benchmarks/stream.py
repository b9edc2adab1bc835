"""What a streaming reply costs on the screen: lag behind the server, processor time, memory.

    python benchmarks/stream.py --tokens 400 --rate 50

A model server of this script's own sends tokens at a steady rate to the program on a pty.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from screen_probe import Probe

WORDS = (
    'the tide *turns slowly,* and she says, "come closer to the lamp," while **rain** walks over the roof. '
)


class Server(ThreadingHTTPServer):
    """Sends `tokens` tokens at `rate` a second to whoever asks; remembers when the first and last went."""

    def __init__(self, tokens: int, rate: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.tokens, self.rate = tokens, rate
        self.first = self.last = 0.0
        self.replies = 0


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *arguments: object) -> None:
        return

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.replies += 1
        number = self.server.replies
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        words = [
            f"BEGIN{number} ",
            *(WORDS.split(" ") * self.server.tokens)[: self.server.tokens],
            f" END{number}",
        ]
        began = time.perf_counter()
        for place, word in enumerate(words):
            time.sleep(max(began + place / self.server.rate - time.perf_counter(), 0))
            text = word + ("\n\n" if place % 60 == 59 else " ")
            event = {"choices": [{"index": 0, "delta": {"content": text}}]}
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            self.server.last = time.perf_counter()
            if place == 0:
                self.server.first = self.server.last
        self.wfile.write(b"data: [DONE]\n\n")


def turn(probe: Probe, server: Server, number: int) -> dict[str, float]:
    """Send one message and measure the reply to it."""
    for letter in f"question {number}":
        probe.send(letter)
        time.sleep(0.02)
    probe.rest(0.3)
    sent = probe.send("\r")
    first = probe.wait(f"BEGIN{number}")
    cpu = probe.cpu()
    last = probe.wait(f"END{number}")
    cpu = probe.cpu() - cpu
    probe.rest(0.5)
    return {
        "submit to first token, ms": (first - sent) * 1000,
        "first token behind the server, ms": (first - server.first) * 1000,
        "last token behind the server, ms": (last - server.last) * 1000,
        "CPU s per 1,000 tokens": cpu / server.tokens * 1000,
        "memory, MB": probe.memory(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    server = Server(arguments.tokens, arguments.rate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="lunalux-bench-") as folder:
        config = Path(folder) / "config"
        config.mkdir()
        (config / "config.toml").write_text('[chat]\nmodel = "openai:bench"\n')
        environ = {
            **os.environ,
            "LUNALUX_HOME": folder,
            "LUNALUX_LANG": "en",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{server.server_address[1]}/v1",
            "TERM": "xterm-256color",
        }
        probe = Probe([sys.executable, "-m", "lunalux_tui"], environ)
        try:
            probe.wait("1/3")
            probe.rest(2)
            rows = [turn(probe, server, number) for number in range(1, arguments.turns + 1)]
        finally:
            probe.close()
    for name in rows[0]:
        later = [row[name] for row in rows[1:]] or [rows[0][name]]
        print(f"{name:<36} first turn {rows[0][name]:8.1f}   later turns {statistics.median(later):8.1f}")


if __name__ == "__main__":
    main()
