"""A chat as Markdown that people read, and back: a title, then every message under its speaker's name.

Only what is shown can stand there: one path, without versions and hidden messages. Who the speakers are
stands in a comment at the end, which no viewer shows. A line of a message that reads like a speaker's name
gets an empty comment behind it, so that every text comes back as it was.

See docs/spec/formats.md: Chat files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lunalux_core.chatlogs.chatlog import FORMAT, ROLES, ChatLog, LogNode, json_or_none
from lunalux_core.documents.coerce import as_flag, as_object, as_text
from lunalux_core.documents.prompt_values import Role

_SPEAKER = re.compile(r"\*\*(?P<name>.*)\*\*")
_GUARD = "<!---->"
_TO_GUARD = re.compile(rf"^\*\*.*\*\*(?:{_GUARD})*$", re.MULTILINE)
_GUARDED = re.compile(rf"^(\*\*.*\*\*(?:{_GUARD})*){_GUARD}$", re.MULTILINE)
_QUOTE = ">"
_COMMENT = re.compile(rf"^<!-- {FORMAT} (?P<about>\{{.*\}}) -->[ \t]*$", re.MULTILINE)
_MEMBERS = re.compile(r"\*(?P<names>[^*\n]+)\*")
_EITHER = "either"
"""The role of a name under which both sides speak: they take turns."""
_USERS = frozenset({"you", "user", "你", "用户"})
"""What people are called who gave themselves no name."""


@dataclass(frozen=True, slots=True)
class _About:
    """What the comment says: the roles of the speakers, whether reasoning is there, and the group."""

    roles: Mapping[str, str]
    thinking: bool = False
    group: Mapping[str, Any] = field(default_factory=dict)


def write_markdown(log: ChatLog, *, thinking: bool = False) -> str:
    """A readable text: a heading, then every visible message under its speaker's name."""
    parts = [f"# {log.title or log.character_name}\n"]
    if log.group:
        parts.append(f"*{', '.join(member['name'] for member in log.group['members'])}*\n")
    nodes = [node for index in log.path() if not (node := log.nodes[index]).hidden]
    for node in nodes:
        parts.append(f"**{node.name}**\n")
        text = _TO_GUARD.sub(lambda line: line[0] + _GUARD, node.text.strip())
        if thinking and node.thinking:
            parts.append("\n".join(f"> {line}".rstrip() for line in node.thinking.split("\n")) + "\n")
        elif thinking and text.startswith((_QUOTE, _GUARD)):
            text = _GUARD + text
        parts.append(text + "\n")
    return "\n".join([*parts, _comment(log, nodes, thinking=thinking)])


def _comment(log: ChatLog, nodes: Iterable[LogNode], *, thinking: bool) -> str:
    roles: dict[str, str] = {}
    for node in nodes:
        roles[node.name] = node.role if roles.get(node.name, node.role) == node.role else _EITHER
    about = {
        "names": roles,
        **({"thinking": True} if thinking else {}),
        **({"group": log.group} if log.group else {}),
    }
    # Neither sign may stand in a comment as it is.
    text = json.dumps(about, ensure_ascii=False).replace("--", "-\\u002d").replace(">", "\\u003e")
    return f"<!-- {FORMAT} {text} -->\n"


def is_marked(text: str) -> bool:
    """Whether a text is Markdown that was written here."""
    return _COMMENT.search(text) is not None


def most_messages(text: str) -> int:
    """How many messages a text may hold at most, without reading it."""
    return text.count("\n**") + text.startswith("**")


def read_markdown(text: str) -> ChatLog | None:
    """The chat in Markdown that was written here, or by a person in the same shape; None for any other text.

    Where nothing says who is who, the members of a group are its characters, else the one who speaks first
    is the character, unless the name is one for nobody in particular.
    """
    text, about = _apart(text.replace("\r\n", "\n").strip())
    lines = text.split("\n")
    title = lines.pop(0)[2:].strip() if lines[0].startswith("# ") else ""
    preamble, blocks = _blocks(lines, about.roles if about is not None else None)
    members = _MEMBERS.fullmatch(preamble)
    if (preamble and members is None) or not (blocks or about is not None):
        return None
    if about is None:
        about = _guessed([name for name, _ in blocks], members["names"] if members else "")
    nodes: list[LogNode] = []
    role: Role = "user"
    for name, said in blocks:
        given = about.roles.get(name, "")
        role = ROLES.get(given) or ("user" if role == "assistant" else "assistant")
        thought, words = _thought(said) if about.thinking else ("", said)
        nodes.append(LogNode(len(nodes) - 1, role, name, _GUARDED.sub(r"\1", words), thought))
    character = next((node.name for node in nodes if node.role == "assistant"), "")
    user = next((node.name for node in nodes if node.role == "user"), "")
    group_name = as_text(about.group.get("name"))
    return ChatLog(
        tuple(nodes),
        len(nodes) - 1,
        user_name=user,
        character_name=group_name or character or title,
        title=title if title not in (character, group_name) else "",
        group=about.group,
    )


def _apart(text: str) -> tuple[str, _About | None]:
    """The text without the last such comment, and what that says."""
    comment = next(reversed(list(_COMMENT.finditer(text))), None)
    said = json_or_none(comment["about"]) if comment is not None else None
    if comment is None or not isinstance(said, dict):
        return text, None
    roles = {name: as_text(role) for name, role in as_object(said.get("names")).items()}
    about = _About(roles, as_flag(said.get("thinking")), as_object(said.get("group")))
    return text[: comment.start()] + text[comment.end() :], about


def _guessed(names: list[str], members: str) -> _About:
    if members:
        listed = [name.strip() for name in members.split(",")]
        group = {"members": [{"name": name, "muted": False} for name in listed]}
        return _About({name: "assistant" if name in listed else "user" for name in names}, group=group)
    first = next((name for name in names if name.casefold() not in _USERS), names[0])
    return _About({name: "assistant" if name == first else "user" for name in names})


def _blocks(lines: list[str], speakers: Mapping[str, str] | None) -> tuple[str, list[tuple[str, str]]]:
    """What stands above the first speaker's name; names and texts.

    Args:
        speakers: the names that are speakers', None where that is not known.
    """
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for place, line in enumerate(lines):
        heading = _SPEAKER.fullmatch(line)
        # Only between empty lines: else it is the beginning of a paragraph in bold.
        alone = not any(
            other.strip() for other in (*lines[max(place - 1, 0) : place], *lines[place + 1 : place + 2])
        )
        if heading is not None and alone and (speakers is None or heading["name"] in speakers):
            blocks.append((heading["name"], []))
        else:
            blocks[-1][1].append(line)
    (_, preamble), *said = ((name, "\n".join(text).strip()) for name, text in blocks)
    return preamble, said


def _thought(said: str) -> tuple[str, str]:
    """The reasoning at the beginning of a message, and its text."""
    if said.startswith(_GUARD):
        return "", said.removeprefix(_GUARD)
    lines = said.split("\n")
    quoted = next((place for place, line in enumerate(lines) if not line.startswith(_QUOTE)), len(lines))
    thought = "\n".join(line.removeprefix(_QUOTE).removeprefix(" ") for line in lines[:quoted])
    return thought, "\n".join(lines[quoted:]).strip()
