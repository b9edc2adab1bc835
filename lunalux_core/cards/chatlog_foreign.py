"""Chat files of Narratium, CAI tools, oobabooga, Agnai, Kobold Lite and RisuAI (FORMATS 6.1, 6.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lunalux_core.cards.chatdates import parse_date
from lunalux_core.cards.chatlog import ChatLog, LogNode, linear, message_text
from lunalux_core.errors import InvalidInput


def read(document: Mapping[str, Any]) -> ChatLog | None:
    """The chat in a JSON document of another tool, or None when no tool is recognised."""
    if isinstance(document.get("nodes"), list):
        return _narratium(document)
    if isinstance(document.get("histories"), dict):
        return linear(_cai(document["histories"]), "", "")
    if document.get("kind") == "chat" and isinstance(document.get("messages"), list):
        return linear(_agnai(document["messages"]), "", "")
    if document.get("type") == "risuChat":
        return linear(_risu(document), "", "")
    if isinstance(document.get("data_visible"), list) or isinstance(document.get("data"), list):
        return linear(_ooba(document), "", "")
    if "savedsettings" in document and isinstance(document.get("actions"), list):
        return linear(_kobold(document), "", "")
    return None


_Plain = Iterator[tuple[bool, str, str, int]]


def _dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _cai(histories: Mapping[str, Any]) -> _Plain:
    for history in _dicts(histories.get("histories")):
        for message in _dicts(history.get("msgs")):
            source = message.get("src")
            human = isinstance(source, dict) and source.get("is_human") is True
            yield human, "", message_text(message.get("text")), parse_date(message.get("created"))


def _agnai(messages: list[Any]) -> _Plain:
    for message in _dicts(messages):
        yield (
            bool(message.get("userId")),
            "",
            message_text(message.get("msg")),
            parse_date(message.get("createdAt")),
        )


def _risu(document: Mapping[str, Any]) -> _Plain:
    data = document.get("data")
    for message in _dicts(data.get("message") if isinstance(data, dict) else None):
        yield (
            message.get("role") == "user",
            "",
            message_text(message.get("data")),
            parse_date(message.get("time")),
        )


def _ooba(document: Mapping[str, Any]) -> _Plain:
    rows = document.get("data_visible") or document.get("data")
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, list) or len(row) < 2:
            continue
        if isinstance(row[0], str) and row[0] and not row[0].startswith("<|BEGIN-VISIBLE-CHAT|>"):
            yield True, "", message_text(row[0]), 0
        if isinstance(row[1], str) and row[1]:
            yield False, "", message_text(row[1]), 0


def _kobold(document: Mapping[str, Any]) -> _Plain:
    saved = document.get("savedsettings")
    saved = saved if isinstance(saved, dict) else {}
    user = str(saved.get("chatname") or "User")
    character = str(saved.get("chatopponent") or "").partition("||$||")[0]
    text = str(document.get("prompt") or "") + "".join(str(action) for action in document["actions"])
    is_user = False
    for part in text.replace("{{[INPUT]}}", "\x00U").replace("{{[OUTPUT]}}", "\x00A").split("\x00"):
        if part[:1] in {"U", "A"}:
            is_user, part = part[0] == "U", part[1:]
        if part.strip():
            yield is_user, user if is_user else character, part.strip(), 0


def _narratium(document: Mapping[str, Any]) -> ChatLog:
    """A tree of turns: a turn becomes the person's message and the reply; without input, the reply alone."""
    turns: dict[str, Mapping[str, Any]] = {}
    for node in _dicts(document["nodes"]):
        turns[str(_either(node, "nodeId", "node_id"))] = node
    nodes: list[LogNode] = []
    leaf: dict[str, int] = {}
    waiting = [identity for identity in turns if identity != "root"]
    while waiting:
        rest = []
        for identity in waiting:
            turn = turns[identity]
            above = str(_either(turn, "parentNodeId", "parent_node_id") or "root")
            if above in turns and above != "root" and above not in leaf:
                rest.append(identity)
                continue
            leaf[identity] = _turn(nodes, leaf.get(above, -1), turn)
        if len(rest) == len(waiting):
            raise InvalidInput("CHAT_DAMAGED", "This dialogue tree has a circle in it.", "Export it again.")
        waiting = rest
    current = str(_either(document, "current_nodeId", "current_node_id", "currentNodeId") or "")
    return ChatLog(tuple(nodes), leaf.get(current, len(nodes) - 1))


def _turn(nodes: list[LogNode], parent: int, turn: Mapping[str, Any]) -> int:
    said = message_text(_either(turn, "userInput", "user_input"))
    if said:
        nodes.append(LogNode(parent, "user", "", said))
        parent = len(nodes) - 1
    parsed = _either(turn, "parsedContent", "parsed_content")
    parsed = parsed if isinstance(parsed, dict) else {}
    prompts = _either(parsed, "nextPrompts", "next_prompts")
    nodes.append(
        LogNode(
            parent,
            "assistant",
            "",
            message_text(_either(turn, "assistantResponse", "assistant_response")),
            thinking=message_text(_either(turn, "thinkingContent", "thinking_content")),
            suggestions=tuple(str(p) for p in prompts) if isinstance(prompts, list) else (),
            event=message_text(_either(parsed, "compressedContent", "compressed_content")),
            raw=message_text(_either(turn, "fullResponse", "full_response")),
        )
    )
    return len(nodes) - 1


def _either(document: Mapping[str, Any], *names: str) -> Any:
    return next((document[name] for name in names if name in document), None)
