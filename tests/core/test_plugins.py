"""Plug-ins from real files: order, changes, failures that never stop a turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunalux_core.errors import NotFound
from lunalux_core.plugins.api import UserMessage
from lunalux_core.plugins.loader import STRIKES, Plugins

SHOUT = "class plugin:\n    def on_user_message(self, message):\n        return message.text.upper()\n"
STAR = "class plugin:\n    def on_user_message(self, message):\n        return message.text + '*'\n"
QUIET = "class plugin:\n    def on_user_message(self, message):\n        return None\n"
BROKEN = "class plugin:\n    def on_user_message(self, message):\n        raise ValueError('no')\n"


def view(text: str) -> UserMessage:
    return UserMessage(text, "c", "C", "k")


def enabled(folder: Path, **files: str) -> Plugins:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    finder = Plugins(folder, ())
    return Plugins(folder, [finder.entry(name) for name in files])


async def test_each_sees_what_the_one_before_returned(tmp_path: Path) -> None:
    plugins = enabled(tmp_path / "p", shout=SHOUT, quiet=QUIET, star=STAR)
    assert await plugins.change("on_user_message", "hi", view) == ("HI*", [])


async def test_a_failing_one_is_told_and_switched_off_after_repeated_failures(tmp_path: Path) -> None:
    plugins = enabled(tmp_path / "p", broken=BROKEN, star=STAR)
    for number in range(STRIKES + 1):
        value, failures = await plugins.change("on_user_message", "hi", view)
        assert value == "hi*"
        assert len(failures) == (1 if number < STRIKES else 0)
    assert plugins.available()[0].problem == "ValueError: no"


async def test_one_that_cannot_be_imported_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    plugins = enabled(tmp_path / "p", bad="import nothing_like_this", star=STAR)
    assert (await plugins.change("on_user_message", "hi", view))[0] == "hi*"
    assert "nothing_like_this" in plugins.available()[0].problem


async def test_a_file_that_changed_must_be_enabled_again(tmp_path: Path) -> None:
    plugins = enabled(tmp_path / "p", star=STAR)
    (tmp_path / "p" / "star.py").write_text(SHOUT)
    assert (await plugins.change("on_user_message", "hi", view))[0] == "hi"
    assert "changed" in plugins.available()[0].problem


async def test_nothing_is_imported_until_it_is_enabled(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "trap.py").write_text("raise SystemExit('imported')")
    plugins = Plugins(tmp_path / "p", ())
    assert [info.name for info in plugins.available()] == ["trap"]
    assert await plugins.change("on_user_message", "hi", view) == ("hi", [])
    with pytest.raises(NotFound):
        plugins.entry("missing")
