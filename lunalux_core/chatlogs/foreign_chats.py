"""Chat files of Narratium, CAI tools, oobabooga, Agnai, Kobold Lite and RisuAI.

Whether a document is a chat is asked here too, by the same tests, so that nothing is recognised that is not
read.

See docs/spec/formats.md: Chat files, Narratium's files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lunalux_core.chatlogs.cai import is_cai, read_cai
from lunalux_core.chatlogs.chatlog import ChatLog, LogNode, message_text, read_lines
from lunalux_core.chatlogs.chatlog_dates import parse_date
from lunalux_core.chatlogs.kobold import is_kobold, read_kobold
from lunalux_core.chatlogs.oobabooga import is_ooba, read_ooba
from lunalux_core.chatlogs.risu import is_risu, read_risu
from lunalux_core.chatlogs.spoken import Spoken, chat_of, objects, texts_of
from lunalux_core.documents.coerce import as_flag, as_text
from lunalux_core.text import clean_line


def is_foreign(document: Any) -> bool:
    """Whether a JSON document is a chat of another tool than SillyTavern."""
    if isinstance(document, list):
        return is_cai(document)
    return isinstance(document, dict) and any(test(document) for test, _ in _READERS)


def read(document: Any) -> list[ChatLog] | None:
    """The chats in a JSON document of another tool, also empty ones, or None when no tool is recognised."""
    if isinstance(document, list):
        return read_cai(document) if is_cai(document) else None
    for test, reader in _READERS:
        if test(document):
            return reader(document)
    return None


# -- Agnai ---------------------------------------------------------------------------------------------


def _is_agnai(document: Mapping[str, Any]) -> bool:
    """Its exports have no mark: a name, the texts of the chat's character, and messages."""
    messages = document.get("messages")
    if not isinstance(messages, list) or "persona" in document:
        return False
    marked = document.get("kind") == "chat" or ("sampleChat" in document and "greeting" in document)
    return marked or any("msg" in message for message in objects(messages))


def _agnai(document: Mapping[str, Any]) -> list[ChatLog]:
    name = clean_line(as_text(document.get("name")), 120)
    title = "" if name == "Exported" else name  # what every export is called
    return [chat_of(_agnai_messages(document["messages"]), title=title)]


def _agnai_messages(messages: Any) -> Iterator[Spoken]:
    for message in objects(messages):
        handle = clean_line(as_text(message.get("handle") or message.get("name")))
        yield Spoken(
            "user" if message.get("userId") else "assistant",
            message_text(message.get("msg")),
            # Agnai's word for a person who gave no name.
            "" if handle == "You" else handle,
            parse_date(message.get("createdAt")),
            hidden=as_flag(message.get("ooc")) or message.get("event") in ("ooc", "hidden"),
            versions=texts_of(message.get("retries")),
        )


# -- Narratium -----------------------------------------------------------------------------------------


def _is_narratium(document: Mapping[str, Any]) -> bool:
    return isinstance(document.get("nodes"), list)


def _narratium(document: Mapping[str, Any]) -> list[ChatLog]:
    """A tree of turns: a turn becomes the person's message and the reply; without input, the reply alone.

    A turn whose parent is not there, or that is its own ancestor, stands at the top.
    """
    turns: dict[str, Mapping[str, Any]] = {}
    for node in objects(document["nodes"]):
        turns[as_text(_either(node, "nodeId", "node_id"))] = node
    turns.pop("root", None)
    below: dict[str, list[str]] = {}
    for identity, turn in turns.items():
        above = as_text(_either(turn, "parentNodeId", "parent_node_id")) or "root"
        below.setdefault(above if above in turns else "root", []).append(identity)
    nodes: list[LogNode] = []
    leaf: dict[str, int] = {}
    _grow(nodes, leaf, turns, below, below.get("root", []))
    circles = [identity for identity in turns if identity not in leaf]
    for identity in circles:
        if identity not in leaf:
            _grow(nodes, leaf, turns, below, [identity])
    notes = ("The tree has a circle in it, which was cut; no words are lost.",) if circles else ()
    current = as_text(_either(document, "current_nodeId", "current_node_id", "currentNodeId"))
    return [ChatLog(tuple(nodes), leaf.get(current, len(nodes) - 1), notes=notes)]


def _grow(
    nodes: list[LogNode],
    leaf: dict[str, int],
    turns: Mapping[str, Mapping[str, Any]],
    below: Mapping[str, list[str]],
    roots: list[str],
) -> None:
    """Add these turns at the top and all turns below them, parents before children."""
    # A list instead of calls: a branch may have thousands of turns.
    waiting = [(identity, -1) for identity in reversed(roots)]
    while waiting:
        identity, above = waiting.pop()
        if identity in leaf:
            continue
        leaf[identity] = _turn(nodes, above, turns[identity])
        waiting += [(child, leaf[identity]) for child in reversed(below.get(identity, []))]


def _turn(nodes: list[LogNode], parent: int, turn: Mapping[str, Any]) -> int:
    own = message_text(_either(turn, "userInput", "user_input"))
    if own:
        nodes.append(LogNode(parent, "user", "", own))
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
            suggestions=tuple(as_text(p) for p in prompts) if isinstance(prompts, list) else (),
            event=message_text(_either(parsed, "compressedContent", "compressed_content")),
            raw=message_text(_either(turn, "fullResponse", "full_response")),
        )
    )
    return len(nodes) - 1


def _either(document: Mapping[str, Any], *names: str) -> Any:
    return next((document[name] for name in names if name in document), None)


# -- Lines in a document ------------------------------------------------------------------------------


def _is_wrapped(document: Mapping[str, Any]) -> bool:
    """SillyTavern's messages as a list in one document, in place of lines."""
    return any("mes" in message for message in objects(document.get("messages")))


def _wrapped(document: Mapping[str, Any]) -> list[ChatLog]:
    header = {"chat_metadata": {}, **{key: value for key, value in document.items() if key != "messages"}}
    return read_lines([(0, header), *enumerate(document["messages"], 1)], "")


# The surest signs first: several programs have a list called messages.
_READERS: tuple[tuple[Callable[[Any], bool], Callable[[Any], list[ChatLog]]], ...] = (
    (_is_narratium, _narratium),
    (is_risu, read_risu),
    (is_cai, read_cai),
    (_is_wrapped, _wrapped),
    (_is_agnai, _agnai),
    (is_ooba, read_ooba),
    (is_kobold, read_kobold),
)
