"""Which programs of this person listen on this machine, as Linux tells: on what port, and under what name.

Elsewhere nothing is found here, and the usual ports are all that is asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lunalux_core.llm.parameters import ServerKind

MOST_LISTENERS = 48
# TCP_LISTEN, as Linux writes it in its tables.
_LISTENS = "0A"

_NAMES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ollama", re.compile(r"\bollama\b")),
    ("koboldcpp", re.compile(r"kobold")),
    ("llamacpp", re.compile(r"llama-server|llama\.cpp|llamafile|llama_cpp")),
    ("vllm", re.compile(r"\bvllm\b")),
    ("tabby", re.compile(r"tabbyapi")),
    ("textgen", re.compile(r"text-generation|textgen|oobabooga")),
    ("lmstudio", re.compile(r"lm[ -]?studio|\blms\b")),
    ("jan", re.compile(r"\bjan\b|cortex")),
    (
        "openai",
        re.compile(r"sglang|aphrodite|mlx_lm|local-?ai|litellm|exllama|lemonade|mistralrs|\bgpt4all\b"),
    ),
)
"""What a model server is called, in the command that started it."""

_OTHERS = re.compile(
    r"redis|postgres|mysql|mariadb|mongo|sshd|ssh-agent|dockerd|containerd|chrom|firefox|electron|code-server"
    r"|vscode|cupsd|dbus|systemd|nginx|apache|memcached|rabbitmq|kafka|zookeeper|\bjava\b|lunalux"
)
"""Programs that are something else: they are not spoken to."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A program on a port of this machine. `name` is what model server its command says it is, "" for none
    that we know."""

    port: int
    pid: int
    name: str = ""


def listeners(proc: Path = Path("/proc"), user: int | None = None) -> tuple[Listener, ...]:
    """Programs of this person that may be model servers, those that are called so first."""
    user = os.getuid() if user is None and hasattr(os, "getuid") else user
    if user is None or not proc.is_dir():
        return ()
    ports = dict(_ports(proc, user))
    by_port: dict[int, Listener] = {}
    for pid, command, inodes in _programs(proc, user, frozenset(ports)):
        if pid == os.getpid():
            continue
        name = next((name for name, sign in _NAMES if sign.search(command)), "")
        if not name and _OTHERS.search(command):
            continue
        for inode in inodes:
            by_port.setdefault(ports[inode], Listener(ports[inode], pid, name))
    ordered = sorted(by_port.values(), key=lambda listener: (not listener.name, listener.port))
    return tuple(ordered[:MOST_LISTENERS])


def provider_of(name: str) -> ServerKind:
    """What a listener's name is to the parameters of a request."""
    kinds: dict[str, ServerKind] = {
        "ollama": "ollama",
        "koboldcpp": "koboldcpp",
        "llamacpp": "llamacpp",
        "vllm": "vllm",
        "tabby": "tabby",
        "textgen": "textgen",
    }
    return kinds.get(name, "openai")


def _ports(proc: Path, user: int) -> Iterator[tuple[str, int]]:
    """Sockets that listen, as (inode, port)."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / name).read_text("ascii", "replace").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            # Field 1 is the address with the port, 3 the state, 7 the user, 9 the inode of the socket.
            if len(fields) < 10 or fields[3] != _LISTENS or fields[7] != str(user):
                continue
            port = int(fields[1].rpartition(":")[2], 16)
            # Below them only the system listens.
            if port >= 1024:
                yield fields[9], port


def _programs(proc: Path, user: int, inodes: frozenset[str]) -> Iterator[tuple[int, str, list[str]]]:
    """Programs of a person that hold one of the sockets, as (pid, command, sockets)."""
    for folder in proc.iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            if folder.stat().st_uid != user:
                continue
            links = [str(entry.readlink()) for entry in (folder / "fd").iterdir()]
            sockets = [link[8:-1] for link in links if link.startswith("socket:[") and link[8:-1] in inodes]
            if sockets:
                command = (folder / "cmdline").read_bytes()[:4000].replace(b"\0", b" ")
                yield int(folder.name), command.decode("utf-8", "replace").lower(), sockets
        except OSError:
            continue  # it has ended, or is not ours to look at
