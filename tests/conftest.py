"""Fixtures every suite shares: a home of its own, and no way to the person's real data or keys."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import argon2
import pytest
from hypothesis import HealthCheck, settings

from lunalux_core.config.paths import Paths

# How long an example takes says how busy the machine is, and nothing of the program.
settings.register_profile("lunalux", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lunalux")

# A job in the background, `nohup` and cron start programs with signals ignored, and a child inherits that.
# A handler of our own is set back to the default by exec, so programs under test start as from a shell.
for _name in ("SIGINT", "SIGHUP", "SIGQUIT"):
    if (_number := getattr(signal, _name, None)) and signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _name == "SIGINT" else signal.SIG_DFL)

# The program is started hundreds of times. Compiling it anew each time takes a third of what a command takes.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as cores: a third of a run is waiting for terminals and servers."""
    cores = os.cpu_count() or 1
    return cores + cores // 2


def pytest_collection_finish() -> None:
    """What was imported stays until the end, so the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()
    # With little left to look at, Python would look at all of it very often.
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True, scope="session")
def quick_passwords() -> Iterator[None]:
    """Passwords are hashed at the least cost: at the real one they take a quarter of a run's processor time.

    Programs that tests start keep the real one, as does the test of what is stored of a password.
    """
    with pytest.MonkeyPatch.context() as patch:
        quick = partial(argon2.PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(argon2, "PasswordHasher", quick)
        yield


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """LUNALUX_HOME in a temporary folder; provider variables of the developer's shell are removed."""
    root = tmp_path / "home"
    if (words := sys.modules.get("lunalux_tui.i18n")) is not None:
        words.use("en")  # another test may have ended in another language
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "GEMINI_API_KEY", "LUNALUX_API_URL", "LUNALUX_STORAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LUNALUX_HOME", str(root))
    monkeypatch.setenv("LUNALUX_LANG", "en")
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "0")
    # Tests run beside each other: an app of one would ask the servers of the others whether they are models'.
    monkeypatch.setenv("LUNALUX_FIND_LISTENERS", "0")
    return root


@pytest.fixture
def paths(home: Path) -> Paths:
    return Paths.find({"LUNALUX_HOME": str(home)})


@pytest.fixture(scope="session")
def vectors() -> Path:
    """What other programs made of inputs of ours (tests/data/vectors/README.md)."""
    return Path(__file__).resolve().parent / "data" / "vectors"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of other people's cards beside the repository; tests that need it are skipped without it."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder of other people's cards is not beside the repository")
    return folder
