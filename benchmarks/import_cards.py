"""`lunalux import` of many cards against `sha256sum` of the same files, with the peak memory.

    python benchmarks/import_cards.py --cards 2000 --kilobytes 500 -n 3

The page cache is warm for both: the files are written by this script just before.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def card(number: int, size: int, noise: bytes) -> bytes:
    """A PNG of about `size` bytes with a card of about 20 KB in it."""
    data = {
        "name": f"Character {number}",
        "description": f"Number {number}. " + "A long description of somebody. " * 400,
        "first_mes": f"Hello from {number}. " * 40,
        "alternate_greetings": ["Another one. " * 40],
        "tags": ["benchmark"],
    }
    document = {"spec": "chara_card_v2", "spec_version": "2.0", "data": data}
    text = b"chara\x00" + base64.b64encode(json.dumps(document).encode())
    header = struct.pack(">IIBBBBB", 512, 512, 8, 2, 0, 0, 0)
    filler = noise[: max(size - len(text) - 100, 0)]
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", filler)
        + chunk(b"tEXt", text)
        + chunk(b"IEND", b"")
    )


def timed(command: list[str], env: dict[str, str] | None = None) -> tuple[float, float]:
    """Seconds and peak megabytes of a command."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[:3]} ended with {process.returncode}")
    return time.perf_counter() - began, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cards", type=int, default=2000)
    parser.add_argument("--kilobytes", type=int, default=500)
    parser.add_argument("-n", "--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=0)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lunalux-bench-"))
    try:
        files = folder / "cards"
        files.mkdir()
        noise = os.urandom(arguments.kilobytes * 1024)
        for number in range(arguments.cards):
            (files / f"{number:05d}.png").write_bytes(card(number, arguments.kilobytes * 1024, noise))
        names = sorted(str(path) for path in files.iterdir())
        hashing, importing, memory = [], [], []
        for run in range(arguments.runs):
            home = folder / f"home{run}"
            env = {**os.environ, "LUNALUX_HOME": str(home)}
            hashing.append(timed(["sha256sum", *names])[0])
            seconds, peak = timed(
                [
                    sys.executable,
                    "-m",
                    "lunalux_tui",
                    "import",
                    str(files),
                    "--json",
                    "--jobs",
                    str(arguments.jobs),
                ],
                env,
            )
            importing.append(seconds)
            memory.append(peak)
            shutil.rmtree(home)
        ratio = statistics.median(a / b for a, b in zip(hashing, importing, strict=True))
        total = sum(Path(name).stat().st_size for name in names) / 1e6
        print(f"{arguments.cards} cards, {total:.0f} MB, {arguments.runs} runs")
        print(f"sha256sum      {statistics.median(hashing):7.2f} s")
        print(
            f"lunalux import {statistics.median(importing):7.2f} s   peak {statistics.median(memory):.0f} MB"
        )
        print(f"speed of the import: {ratio:.2f} x that of sha256sum")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
