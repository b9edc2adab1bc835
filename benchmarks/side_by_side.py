"""What several replies side by side cost the screen beside one: bytes drawn and processor time of a turn.

    python benchmarks/side_by_side.py --tokens 300 --rate 100

A model server of this script's own streams as many replies as a request asks for at the same steady rate, so
that all of them end when one alone would. Turns with one reply and with three alternate in one program on a
pty; the screen shows one of them. Processor time counts from the question to a second after the last word, so
it holds the reading and storing of three streams, too. Prints medians and their ratios.
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
from stream import WORDS


class Server(ThreadingHTTPServer):
    """Streams `tokens` tokens of each wanted reply at `rate` a second."""

    def __init__(self, tokens: int, rate: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.tokens, self.rate = tokens, rate
        self.turn = 0
        self.wanted: list[int] = []
        """Replies that each request asked for."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *arguments: object) -> None:
        return

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        replies = int(body.get("n") or 1)
        self.server.wanted.append(replies)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        words = [*(WORDS.split(" ") * self.server.tokens)[: self.server.tokens], f"END{self.server.turn}"]
        began = time.perf_counter()
        for place, word in enumerate(words):
            time.sleep(max(began + place / self.server.rate - time.perf_counter(), 0))
            for index in range(replies):
                event = {"choices": [{"index": index, "delta": {"content": f"{word} "}}]}
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")


def turn(probe: Probe, server: Server, several: bool) -> tuple[float, float]:
    """Ask once: processor seconds from the question to a second after the last word, and bytes drawn."""
    server.turn += 1
    probe.send(f"question {server.turn}")
    probe.rest(0.5)
    if several:
        probe.send("\x1bv")
        probe.wait("3 replies")
        probe.rest(1.5)
    cpu, drawn = probe.cpu(), probe.drawn
    probe.send("\r")
    probe.wait(f"END{server.turn}")
    probe.rest(1.5)
    return probe.cpu() - cpu, probe.drawn - drawn


def closing(probe: Probe) -> int:
    """Bytes drawn while the dialog that asks for a number closes, which has no part in the replies."""
    probe.send("x\x1bv")
    probe.wait("3 replies")
    probe.rest(1.5)
    drawn = probe.drawn
    probe.send("\x1b")
    probe.rest(1.5)
    closed = probe.drawn - drawn
    probe.send("\x7f")
    probe.rest(0.5)
    return closed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=300)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    server = Server(arguments.tokens, arguments.rate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="lunalux-bench-") as folder:
        config = Path(folder) / "config"
        config.mkdir()
        (config / "config.toml").write_text('[chat]\nmodel = "openai:bench"\n[memory]\nwrite = "off"\n')
        environ = {
            **os.environ,
            "LUNALUX_HOME": folder,
            "LUNALUX_LANG": "en",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{server.server_address[1]}/v1",
            "TERM": "xterm-256color",
        }
        probe = Probe([sys.executable, "-m", "lunalux_tui"], environ)
        spent: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        closed: list[int] = []
        try:
            probe.wait("1/3")
            probe.rest(2)
            for _ in range(arguments.turns + 1):
                for several, turns in spent.items():
                    turns.append(turn(probe, server, several))
                closed.append(closing(probe))
        finally:
            probe.close()
    print(f"replies asked for: {sum(server.wanted)} in {len(server.wanted)} requests")
    for place, what in enumerate(("processor seconds", "kilobytes drawn")):
        # The first turn of each kind loads modules.
        one, three = (statistics.median(row[place] for row in turns[1:]) for turns in spent.values())
        unit = 1 if place == 0 else 1000
        ratio = three / one
        print(f"{what} of a turn: one reply {one / unit:.2f}, three {three / unit:.2f}, ratio {ratio:.2f}")
    dialog = statistics.median(closed[1:])
    print(
        f"kilobytes of the closing dialog: {dialog / 1000:.2f}, without it ratio {(three - dialog) / one:.2f}"
    )


if __name__ == "__main__":
    main()
