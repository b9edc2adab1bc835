"""A small load by the benchmark's own program: nothing is lost or paid twice, whatever breaks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "service_load.py"
USERS, REPLIES = 40, 2


def test_forty_people_who_stream_while_the_storage_fails_and_workers_die_lose_nothing(tmp_path: Path) -> None:
    curve = tmp_path / "load.svg"
    options = ("--users", str(USERS), "--replies", str(REPLIES), "--pieces", "15", "--pause", "0.3")
    command = [sys.executable, str(PROGRAM), *options, "--spread", "2", "--kill-every", "4", "--json"]
    done = subprocess.run([*command, "--plot", str(curve)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    calm, rough = map(json.loads, done.stdout.splitlines())
    for found in (calm, rough):
        assert found["replies"] >= USERS * REPLIES and found["given_up"] == found["unpaid"] == 0
        assert found["paid_unread"] == found["reserved"] == found["drift"] == 0
    assert calm["broken"] == calm["asked_anew"] == 0 and calm["memory_kb_per_user"] < 2000
    assert rough["workers_killed"] >= 1 and sum(rough["spoilt"].values()) >= 1
    assert curve.read_text("utf-8").count("<polyline") == 2
