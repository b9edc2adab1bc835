"""How long commands take from exec to exit, against `python -c pass` and `import typer`.

    python benchmarks/startup.py -n 15

Cases run interleaved; ratios are medians of the pairs of one round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time


def seconds(command: list[str], env: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", "--runs", type=int, default=15)
    runs = parser.parse_args().runs
    python = [sys.executable]
    program = [*python, "-m", "lunalux_tui"]
    cases = {
        "python -c pass": [*python, "-c", "pass"],
        'python -c "import typer"': [*python, "-c", "import typer"],
        "lunalux --version": [*program, "--version"],
        "lunalux character list": [*program, "character", "list", "--json"],
        "lunalux market search": [*program, "market", "search", "moon", "--json"],
    }
    with tempfile.TemporaryDirectory(prefix="lunalux-bench-") as home:
        env = {**os.environ, "LUNALUX_HOME": home}
        for command in cases.values():
            seconds(command, env)
        rows: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(runs):
            for name, command in cases.items():
                rows[name].append(seconds(command, env))
    for name, values in rows.items():
        passes, typer = (
            statistics.median(a / b for a, b in zip(values, rows[base], strict=True))
            for base in ("python -c pass", 'python -c "import typer"')
        )
        print(
            f"{name:<28}{statistics.median(values) * 1000:8.1f} ms {passes:7.2f} x pass {typer:7.2f} x typer"
        )


if __name__ == "__main__":
    main()
