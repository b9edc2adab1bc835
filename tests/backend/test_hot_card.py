"""One card that everybody likes: ranked once a window by the real code, in order after each of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "hot_card.py"


@pytest.mark.parametrize("shards", [1, 4])
def test_a_viral_card_costs_one_ranking_a_window_and_the_order_holds(shards: int) -> None:
    options = ("--likes", "5000", "--seconds", "50", "--cards", "40", "--shards", str(shards), "--json")
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *options], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["liked_count"], found["windows"], found["windows_out_of_order"]) == (5000, 10, 0)
    assert found["rankings"] == 10 * 21 and found["write_units_a_ranking"] <= 12
