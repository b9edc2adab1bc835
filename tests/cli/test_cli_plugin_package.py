"""The example plug-in of the docs, installed as a package and used from the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_program import ROOT, Program

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed package, for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("site")
    package = ROOT / "docs" / "example-plugin"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    subprocess.run([*pip, "--target", folder, package], check=True)
    return folder


def test_the_example_plug_in_is_installed_enabled_and_used(program: Program, installed: Path) -> None:
    path = {"PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}
    listed = program("plugin", "list", "--json", **path).json
    row = {"id": "dice", "name": "dice", "origin": "package", "enabled": False, "problem": None}
    assert row in listed
    assert program("plugin", "enable", "dice", **path).code == 0
    rolled = program("plugin", "run", "dice", "roll", "I try: ", "--json", **path).json
    assert rolled["typed"].startswith("I try: [1d20: ")
    prompt = program("chat", "Marigold Finch", "-m", "I try the lock: /2d1+1", "--show-prompt", **path).out
    assert "[2d1+1: 3]" in prompt
    assert "never roll yourself" in prompt
    answered = program(
        "chat", "Marigold Finch", "-m", "well?", "--model", "plugin:dice/oracle", "--json", **path
    )
    assert answered.json["content"].startswith("The dice say: ")
    assert (
        program("plugin", "run", "dice", "fly", "--json", code=5, **path).error["code"]
        == "PLUGIN_COMMAND_UNKNOWN"
    )
