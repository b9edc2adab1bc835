"""The files under deploy/: made from the code, well formed, and about things that exist."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.metrics import Metrics
from lunalux_core.backend.storage.schema import table_specs

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"


def stack() -> Any:
    spec = importlib.util.spec_from_file_location("deploy_stack", DEPLOY / "stack.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.template()


def test_the_stack_is_what_the_code_declares() -> None:
    written = json.loads((DEPLOY / "stack.json").read_text("utf-8"))
    assert written == stack(), "run `python deploy/stack.py > deploy/stack.json`"
    tables = [one["Properties"] for one in written["Resources"].values() if one["Type"].endswith("::Table")]
    assert {table["TableName"] for table in tables} == {spec.name for spec in table_specs()}
    for table in tables:
        assert table["DeletionProtectionEnabled"]
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    policy = json.dumps(written["Resources"]["ServerPolicy"])
    assert "REGION" not in policy and BackendSettings().bucket not in policy
    flows = written["Resources"]["AccountsClient"]["Properties"]["ExplicitAuthFlows"]
    assert "ALLOW_USER_PASSWORD_AUTH" in flows


def test_cloudformation_s_linter_finds_nothing() -> None:
    pytest.importorskip("cfnlint")
    lint = "import sys; from cfnlint.runner import main; sys.exit(main())"
    command = [sys.executable, "-c", lint, "--regions", "us-east-1", "--", str(DEPLOY / "stack.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def queries() -> dict[str, str]:
    """Every query of the dashboard and of the alarms, by what it is called."""
    board = json.loads((DEPLOY / "grafana.json").read_text("utf-8"))
    found = {
        panel["title"] + one["refId"]: one["expr"] for panel in board["panels"] for one in panel["targets"]
    }
    alarms = yaml.safe_load((DEPLOY / "alarms.yaml").read_text("utf-8"))
    return found | {rule["alert"]: rule["expr"] for group in alarms["groups"] for rule in group["rules"]}


def test_dashboard_and_alarms_ask_for_metrics_events_work_and_routes_that_exist() -> None:
    metrics = Metrics(enabled=True)
    metrics.request("GET", "/health", 200, 0.1)
    metrics.event("refund")
    metrics.went_well("sweep", 1.0)
    exposed = set(re.findall(r"^(lunalux_\w+)", metrics.exposition()[0].decode(), re.MULTILINE))
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "lunalux_core" / "backend").rglob("*.py"))
    for name, query in queries().items():
        assert set(re.findall(r"lunalux_\w+", query)) <= exposed, name
        for event in re.findall(r'event="(\w+)"', query):
            assert f'event("{event}")' in code, (name, event)
        for work in re.findall(r'work="(\w+)"', query):
            assert f'expect("{work}"' in code, (name, work)
        for route in re.findall(r'route!?="([^"]+)"', query):
            prefix, _, last = route.rpartition("/")
            assert f'"{prefix}"' in code and f'"/{last}"' in code, (name, route)


def test_the_compose_file_starts_commands_and_variables_that_exist() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    assert services["server"]["command"][0] == "serve"
    assert services["provision"]["command"][:2] == ["admin", "provision"]
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    for name in services["server"]["environment"]:
        assert name.startswith("AWS_") or f"`{name}`" in page, name
    assert (
        DEPLOY / services["server"]["build"]["context"] / services["server"]["build"]["dockerfile"]
    ).is_file()


def test_the_units_of_each_action_are_those_that_the_pages_name() -> None:
    program = str(ROOT / "benchmarks" / "turn_cost.py")
    done = subprocess.run(
        [sys.executable, program, "--turns", "8"], capture_output=True, text=True, timeout=300, check=True
    )
    counted = {
        line[:18].strip(): [float(number) for number in line[18:].split()]
        for line in done.stdout.splitlines()[1:6]
    }
    page = (
        (ROOT / "docs" / "operations.md").read_text("utf-8").partition("\n## Cost\n")[2].partition("\n## ")[0]
    )
    named = {
        cells[1].strip(): [int(cell) for cell in cells[2:5]]
        for cells in (line.split("|") for line in page.splitlines() if line.startswith("| a "))
    }
    for action, words in (
        ("turn", "a paid reply to a market character"),
        ("turn, free talk", "a paid reply without one"),
        ("like", "a like"),
    ):
        for value, said in zip(counted[action], named[words], strict=True):
            assert abs(value - said) < 0.6, (action, value, said)
    size = (ROOT / "benchmarks" / "service_size.py").read_text("utf-8")
    _, writes, reads = named["a paid reply to a market character"]
    assert f"TURN_WRITES, TURN_READS = {writes}, {reads}\n" in size
