"""Plug-ins from real files: order, changes, failures that never stop a turn."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import load_settings
from lunalux_core.dialogue.turn import TurnCompleted, TurnOptions
from lunalux_core.errors import NotFound, ProviderError
from lunalux_core.plugins.api import Outcome, Panel, Scene, UserMessage
from lunalux_core.plugins.runner import STRIKES, Plugins, accept_text
from lunalux_core.runtime import Runtime

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
    assert await plugins.change("on_user_message", "hi", view, accept_text) == ("HI*", [])


async def test_a_failing_one_is_told_and_switched_off_after_repeated_failures(tmp_path: Path) -> None:
    plugins = enabled(tmp_path / "p", broken=BROKEN, star=STAR)
    for number in range(STRIKES + 1):
        value, failures = await plugins.change("on_user_message", "hi", view, accept_text)
        assert value == "hi*"
        assert len(failures) == (1 if number < STRIKES else 0)
    assert plugins.available()[0].problem == "ValueError: no"


async def test_a_hook_waits_for_an_import_that_is_under_way(tmp_path: Path) -> None:
    plugins = enabled(tmp_path / "p", slow="import time\n\ntime.sleep(0.3)\n\n\n" + SHOUT)
    first = asyncio.create_task(plugins.change("on_user_message", "hi", view, accept_text))
    await asyncio.sleep(0.1)
    assert await plugins.change("on_user_message", "hi", view, accept_text) == ("HI", [])
    assert await first == ("HI", [])


async def test_one_that_cannot_be_imported_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    plugins = enabled(tmp_path / "p", bad="import nothing_like_this", star=STAR)
    assert (await plugins.change("on_user_message", "hi", view, accept_text))[0] == "hi*"
    assert "nothing_like_this" in plugins.available()[0].problem


async def test_a_file_that_changed_must_be_enabled_again(tmp_path: Path) -> None:
    plugins = enabled(tmp_path / "p", star=STAR)
    (tmp_path / "p" / "star.py").write_text(SHOUT)
    assert (await plugins.change("on_user_message", "hi", view, accept_text))[0] == "hi"
    assert "changed" in plugins.available()[0].problem


async def test_nothing_is_imported_until_it_is_enabled(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "trap.py").write_text("raise SystemExit('imported')")
    plugins = Plugins(tmp_path / "p", ())
    assert [info.name for info in plugins.available()] == ["trap"]
    assert await plugins.change("on_user_message", "hi", view, accept_text) == ("hi", [])
    with pytest.raises(NotFound):
        plugins.entry("missing")


WHOLE = """
from lunalux_core.plugins.api import Command, Model, Outcome, Panel

class plugin:
    told = []
    def on_event(self, event): self.told.append(event.data["model"])
    def on_response_raw(self, reply): return reply.raw + " <raw>"
    def commands(self): return [Command("say", "Say it", lambda scene: Outcome("done", scene.typed + "!"))]
    def panel(self, scene): return Panel("Pane", f"**{scene.character_name}** {len(self.told)}")
    def models(self): return [Model("echo", self._echo), Model("broken", self._broken)]
    def _echo(self, call):
        for word in call.messages[-1].content.split():
            yield word + " "
    async def _broken(self, call):
        yield "half"
        raise ValueError("no more")
"""
SCENE = Scene("c", "Marigold", "k", typed="hey")


async def test_commands_and_panes_are_offered_and_run(tmp_path: Path) -> None:
    plugins = enabled(tmp_path / "p", whole=WHOLE)
    ((plugin, command),) = plugins.commands()
    assert (plugin, command.title) == ("whole", "Say it")
    assert await plugins.run(plugin, command, SCENE) == Outcome("done", "hey!")
    assert await plugins.panels(SCENE) == ([("whole", Panel("Pane", "**Marigold** 0"))], [])


@pytest.mark.parametrize(
    "body",
    [
        "def on_user_message(self, m): return 7",
        "def on_user_message(self, m): raise SystemExit(3)",
        "def on_user_message(self): return 'x'",
        "on_user_message = 'no function'",
    ],
)
async def test_a_hook_that_misbehaves_changes_nothing(tmp_path: Path, body: str) -> None:
    plugins = enabled(tmp_path / "p", odd=f"class plugin:\n    {body}\n")
    value, failures = await plugins.change("on_user_message", "hi", view, accept_text)
    assert value == "hi"
    assert [failure.code for failure in failures] == ["PLUGIN_FAILED"]


async def test_offers_of_the_wrong_kind_are_a_problem_of_that_plug_in(tmp_path: Path) -> None:
    text = "class plugin:\n    def commands(self): return ['roll']\n    def models(self): return 3\n"
    plugins = enabled(tmp_path / "p", odd=text, whole=WHOLE)
    assert [name for name, _ in plugins.commands()] == ["whole"]
    assert [name for name, _ in plugins.models()] == ["whole", "whole"]
    assert "int" in plugins.problems["odd"]


async def test_one_for_another_version_of_the_interface_is_not_run(tmp_path: Path) -> None:
    late = "class plugin:\n    api_version = 2\n    def on_user_message(self, m): return 'changed'\n"
    plugins = enabled(tmp_path / "p", late=late)
    assert await plugins.change("on_user_message", "hi", view, accept_text) == ("hi", [])
    assert "interface 2" in plugins.available()[0].problem


async def test_a_hook_that_hangs_does_not_keep_the_program_from_ending(tmp_path: Path) -> None:
    (tmp_path / "home" / "config" / "plugins").mkdir(parents=True)
    script = tmp_path / "hang.py"
    script.write_text(
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from lunalux_core.plugins import runner as running\n"
        "running.HOOK_SECONDS = 2\n"
        f"folder = Path({str(tmp_path)!r}) / 'p'\n"
        "folder.mkdir()\n"
        "(folder / 'hang.py').write_text("
        "'import time\\nclass plugin:\\n def on_user_message(self, m): time.sleep(600)\\n')\n"
        "plugins = running.Plugins(folder, [running.Plugins(folder, ()).entry('hang')])\n"
        "print(asyncio.run(plugins.change('on_user_message', 'hi', lambda x: x, str)))\n"
    )
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, script], capture_output=True, text=True, timeout=60
    )
    assert "took too long" in ended.stdout, ended.stderr


async def test_models_of_a_plug_in_answer_in_a_chat_and_their_failure_is_told(
    home: Path, paths: Paths
) -> None:
    paths.plugins.mkdir(parents=True)
    (paths.plugins / "whole.py").write_text(WHOLE)
    settings = load_settings(paths)
    entry = Plugins(paths.plugins, ()).entry("whole")
    settings = settings.with_value("plugins.enabled", (entry,))
    async with Runtime.open(settings) as runtime:
        await runtime.first_start()
        character = (await runtime.library.characters.list())[0]
        conversation = await runtime.chat.start(character.id)
        events = [
            event
            async for event in runtime.chat.send(
                conversation.id, "one two", options=TurnOptions(model="plugin:whole/echo")
            )
        ]
        done = events[-1]
        assert isinstance(done, TurnCompleted) and done.message is not None
        assert done.message.content.endswith("<raw>")
        assert "one two" in done.message.content
        assert (await runtime.plugins.panels(SCENE))[0][0][1].text.endswith("1")
        with pytest.raises(ProviderError) as failed:
            async for _ in runtime.chat.send(
                conversation.id, "again", options=TurnOptions(model="plugin:whole/broken")
            ):
                pass
        assert failed.value.code == "PLUGIN_MODEL_FAILED"
        kept = await runtime.library.conversations.page(conversation.id, limit=1)
        assert kept[-1].content.startswith("half")
        runtime.apply(settings.with_value("plugins.enabled", ()))
        with pytest.raises(NotFound):
            runtime.models.resolve("plugin:whole/echo")
