"""Strangers' names in the completion of real shells: TAB and Enter run none of them."""

from __future__ import annotations

import os
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("a pty is needed", allow_module_level=True)

import pty

from cli_program import ROOT, Program, environment

from lunalux_tui.cli.shells import SCRIPTS, in_bash, in_numbers, in_powershell, script

TOUCH = "touch hit"
NAMES = (
    rf"Nice Girl\$({TOUCH})",
    rf"Nice Girl\\$({TOUCH})",
    f"$({TOUCH})",
    f"`{TOUCH}`",
    rf"\`{TOUCH}\`",
    f"'; {TOUCH}; '",
    f'"; {TOUCH}; "',
    f"'$({TOUCH})'",
    f'"$({TOUCH})"',
    f"; {TOUCH} #",
    f"&& {TOUCH}",
    f"| {TOUCH}",
    f"> hit && {TOUCH}",
    f"<({TOUCH})",
    f"=({TOUCH})",
    f"({TOUCH})",
    f"{{a,b}};{TOUCH}",
    f"*(e:'{TOUCH}':)",
    f"$(({TOUCH}))",
    f"${{(e):-$({TOUCH})}}",
    f"a:b))' ; {TOUCH} ; : ((",
    f"a]' ; {TOUCH} ; '[",
    f'""$({TOUCH})""',
    f"''$({TOUCH})''",
    rf"\:\\$({TOUCH})",
    f"%{{{TOUCH}%}}",
    f"!{TOUCH}",
    f"~{TOUCH}",
    f"#{TOUCH}",
    f"trailing {TOUCH} \\",
    f"(evil);({TOUCH})",
    f"$'\\x24({TOUCH})'",
    f"x\tdescription $({TOUCH})",
    f"::: $({TOUCH})",
)
"""Each is a character's name; where one of them is evaluated, a file `hit` lies in the folder."""


def prefix(number: int) -> str:
    """What begins the name of this number and no other one."""
    return f"q{chr(ord('a') + number // 26)}{chr(ord('a') + number % 26)}"


def name(number: int) -> str:
    return " ".join(f"{prefix(number)} {NAMES[number]}".split())


@pytest.fixture
def library(program: Program, make_card: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder with a `lunalux` that notes what it is called with, over a library of hostile names."""
    for number in range(len(NAMES)):
        make_card(name(number), f"cards/{number}.json")
    program("import", str(tmp_path / "cards"))
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "lunalux"
    called, asked = (shlex.quote(str(tmp_path / file)) for file in ("called", "asked"))
    command.write_text(
        "#!/bin/sh\n"
        f'if [ -z "$_LUNALUX_COMPLETE" ]; then printf "%s\\0" "$@" >{called}; exit; fi\n'
        f'{shlex.quote(sys.executable)} -m lunalux_tui "$@"; code=$?; : >{asked}; exit $code\n'
    )
    command.chmod(0o755)
    from typer._completion_shared import get_completion_script

    typers = get_completion_script(prog_name="lunalux", complete_var="_LUNALUX_COMPLETE", shell="zsh")
    (tmp_path / "script.typer").write_text(typers + "\n")
    for shell in ("bash", "zsh", "fish"):
        (tmp_path / f"script.{shell}").write_text(program("completion", "show", shell).out)
    return folder


class Shell:
    """An interactive shell on a pty."""

    def __init__(self, arguments: list[str], cwd: Path, environ: Mapping[str, str]) -> None:
        self.seen = b""
        ours, theirs = pty.openpty()
        self._fd = ours
        # A session of its own whose controlling terminal the pty is: fish asks for one.
        taking = (
            "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
            "os.execvp(sys.argv[1], sys.argv[1:])"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", taking, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=cwd,
            env=dict(environ),
            start_new_session=True,
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def read(self, seconds: float) -> None:
        """Take in what the shell writes until it is silent for so long."""
        while select.select([self._fd], [], [], seconds)[0]:
            try:
                self.seen += os.read(self._fd, 65536)
            except OSError:
                return

    def until(self, true: Callable[[], bool], seconds: float = 60) -> bool:
        end = time.monotonic() + seconds
        while not true() and time.monotonic() < end:
            self.read(0.05)
        return true()

    def prompts(self) -> int:
        """How many prompts were shown; fish shows one with each key."""
        return self.seen.count(PROMPT)

    def waits(self, before: int) -> bool:
        """Whether an empty line waits behind a prompt that was not among those shown `before`."""
        plain = re.sub(rb"\x1b\[[?0-9;]*[A-Za-z]|\s", b"", self.seen[-400:])
        return self.prompts() > before and plain.endswith(PROMPT.rstrip())

    def interrupt(self, keys: str) -> None:
        """End the line. What is typed before the next prompt may be thrown away with it.

        A shell that is completing just then may take no notice.
        """
        for _ in range(6):
            ready = self.prompts()
            self.type(keys)
            if self.until(lambda ready=ready: self.waits(ready), 10):  # type: ignore[misc]
                return
        raise AssertionError(self.seen[-2000:])

    def shown(self, pattern: str) -> bool:
        return re.search(pattern.encode(), self.seen) is not None

    def close(self) -> None:
        self.process.kill()
        self.process.wait(5)
        os.close(self._fd)


PROMPT = b"ready> "
"""What the shells show when they take a line."""

STARTS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source ./script.bash"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; source ./script.zsh"),
    "zsh-typer": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; source ./script.typer"),
    "fish": (
        ["fish", "--no-config", "-i"],
        f"function fish_prompt; printf '{PROMPT.decode()}'; end; source ./script.fish",
    ),
}


@pytest.fixture
def open_shell(library: Path, home: Path, tmp_path: Path) -> Iterator[Callable[[str], Shell]]:
    opened: list[Shell] = []

    def start(kind: str) -> Shell:
        arguments, first = STARTS[kind]
        if shutil.which(arguments[0]) is None:
            pytest.skip(f"{arguments[0]} is not installed")
        environ = environment(home, {"PATH": f"{library}{os.pathsep}{os.environ['PATH']}", "TERM": "dumb"})
        environ |= {"HOME": str(tmp_path / "nobody"), "PS1": PROMPT.decode(), "PYTHONPATH": str(ROOT)}
        (tmp_path / "nobody").mkdir()
        shell = Shell(arguments, tmp_path, environ)
        opened.append(shell)
        shell.type(
            f"{first}; echo begun-$((40+2))\r" if kind != "fish" else f"{first}; echo begun-(math 40+2)\r"
        )
        assert shell.until(lambda: shell.shown("begun-42") and shell.waits(0)), shell.seen
        shell.read(0.2)
        return shell

    yield start
    for shell in opened:
        shell.close()


@pytest.mark.parametrize("kind", STARTS)
def test_tab_and_enter_run_no_name(kind: str, open_shell: Callable[[str], Shell], tmp_path: Path) -> None:
    shell = open_shell(kind)
    shell.type("lunalux chat ")
    press_tab(shell, tmp_path)
    shell.type("\t")
    shell.read(0.5)
    shell.interrupt("\x03")
    assert not (tmp_path / "hit").exists(), shell.seen[-2000:]
    lost = [name(one) for one in range(0, len(NAMES), 5) if complete(shell, tmp_path, one) != name(one)]
    assert not lost, (lost, shell.seen[-3000:])


@pytest.mark.slow
@pytest.mark.parametrize("opened", ["", "'", '"'], ids=["bare", "single", "double"])
@pytest.mark.parametrize(
    "kind", [kind for kind in STARTS if kind != "fish"]
)  # fish drops one TAB in about forty, also with a script of four lines that completes to one word
def test_tab_and_enter_run_no_name_behind_any_quote(
    kind: str, opened: str, open_shell: Callable[[str], Shell], tmp_path: Path
) -> None:
    shell = open_shell(kind)
    came = [complete(shell, tmp_path, number, opened) == name(number) for number in range(len(NAMES))]
    lost = [name(number) for number, whole in enumerate(came) if not whole]
    assert opened or not lost, (lost, shell.seen[-3000:])


def press_tab(shell: Shell, folder: Path) -> None:
    """Press TAB until the program was asked; then the shell has written what it makes of the answer."""
    (folder / "asked").unlink(missing_ok=True)
    for _ in range(12):  # fish drops a TAB that comes while it still paints the line before
        shell.type("\t")
        if shell.until((folder / "asked").exists, 10):
            break
    else:
        raise AssertionError(shell.seen[-2000:])
    shell.read(0.25)


def complete(shell: Shell, folder: Path, number: int, opened: str = "") -> str | None:
    """The name that `lunalux chat` is called with after TAB and Enter; fails where it ran as a command."""
    (folder / "called").unlink(missing_ok=True)
    line = f"lunalux chat {opened}{prefix(number)}"
    for _ in range(3):  # after Ctrl+C a shell may drop the keys that come before its prompt is ready
        start = len(shell.seen)
        shell.type(line)
        if shell.until(lambda start=start: line.encode() in shell.seen[start:], 10):  # type: ignore[misc]
            break
        shell.interrupt("\x03")
    press_tab(shell, folder)
    before = shell.prompts()
    shell.type("\r")
    if shell.until((folder / "called").is_file, 3 if not opened else 0.5):
        shell.until(lambda: shell.waits(before))  # its own prompt is not that of ctrl+c
    shell.interrupt("\x03")
    assert not (folder / "hit").exists(), (name(number), shell.seen[-2000:])
    noted = folder / "called"
    words = noted.read_text().split("\0")[:-1] if noted.is_file() else []
    return words[1] if len(words) == 2 else None


def test_what_powershell_is_answered_is_literal(program: Program, make_card: Callable[..., Path]) -> None:
    for number, one in enumerate(
        (f"mi $({TOUCH})", "mi ‘; touch hit; ’", "mi plain", "mi `n;", "mi @x", "Mi5")
    ):
        make_card(one, f"{number}.json")
    make_card('mi "a" --yes', "quoted.json")
    program("import", *(f"{number}.json" for number in range(6)), "quoted.json")
    asked = {"_TYPER_COMPLETE_ARGS": "lunalux chat mi", "_TYPER_COMPLETE_WORD_TO_COMPLETE": "'mi"}
    answer = program(_LUNALUX_COMPLETE="complete_powershell", **asked).out.splitlines()
    assert {line.partition(":::")[0] for line in answer} == {
        f"'mi $({TOUCH})'",
        "'mi ‘‘; touch hit; ’’'",
        "'mi plain'",
        "'mi `n;'",
        "'mi @x'",
        "Mi5",
    }
    assert "Invoke-Expression" not in script("powershell") and "iex" not in script("powershell")


def test_every_sign_is_quoted() -> None:
    """Each printable sign of ASCII, alone and between letters, for the shells that insert what they get."""
    for sign in map(chr, range(32, 127)):
        for value in (sign, f"a{sign}b"):
            quoted = in_bash(value)
            assert quoted is not None and shlex.split(quoted) == [value]
            assert re.fullmatch(r"\$'(?:\w|\\x[0-9a-f]{2})*'", in_numbers(value))
            plain = in_powershell(value)
            assert plain is None or plain == value or (plain[0] == plain[-1] == "'")
            assert plain != value or re.fullmatch(r"[\w./:+-]+", value), value


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_scripts_are_read_by_their_shells(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(SCRIPTS[shell])
    result = subprocess.run(
        [shell, "-n", "script"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "eval" not in SCRIPTS[shell]


def test_install_puts_our_script_into_place(program: Program, tmp_path: Path) -> None:
    program("completion", "install", "zsh", HOME=str(tmp_path))
    program("completion", "install", "bash", HOME=str(tmp_path))
    assert (tmp_path / ".zfunc" / "_lunalux").read_text() == SCRIPTS["zsh"]
    assert (tmp_path / ".bash_completions" / "lunalux.sh").read_text() == SCRIPTS["bash"]
