"""Headings and instructions of our own that an assembly puts into prompts, by language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lunalux_core.language import Language


@dataclass(frozen=True, slots=True)
class Labels:
    """Our texts in one language.

    Args:
        earlier_events: heads the events of messages that did not fit into the prompt.
        opening, recent: head the first message and the later ones, where the history is one text.
        rewrite, outline, begin: instructions for one reply, with macros for what the person wrote.
        persons: by "first", "second", "third": in which grammatical person to write as the user.
    """

    earlier_events: str
    opening: str
    recent: str
    continue_nudge: str
    impersonation: str
    group_nudge: str
    rewrite: str
    outline: str
    begin: str
    persons: Mapping[str, str]


LABELS: Mapping[Language, Labels] = {
    "en": Labels(
        earlier_events="What happened before:",
        opening="How it began:",
        recent="What happened last:",
        continue_nudge=(
            "Go on with the last message from exactly where it stops. Repeat nothing of it and begin in the "
            "middle of the sentence if it ends there."
        ),
        impersonation=(
            "This time write as {{user}}: what {{user}} says and does next, in the way {{user}} has spoken "
            "so far. Do not write for {{char}}."
        ),
        group_nudge="Several people talk here. Write {{char}}'s next reply, and nothing for anybody else.",
        rewrite=(
            "This reply is to be written again, at the same place of the story:\n\n{{reply}}\n\n"
            "Write it as follows: {{instruction}}\nAnswer with the new reply alone."
        ),
        outline="Write it out of this outline, and keep to what it decides:\n{{outline}}",
        begin="Begin the reply with exactly these words and go on from them:\n{{start}}",
        persons={
            "first": "Write {{user}} in the first person.",
            "second": "Write {{user}} in the second person.",
            "third": "Write {{user}} in the third person.",
        },
    ),
    "zh": Labels(
        earlier_events="此前发生的事：",
        opening="故事的开头：",
        recent="最近的对话：",
        continue_nudge="从上一条消息停下的地方接着写。不要重复已有的文字；若停在半句，就从半句写起。",
        impersonation="这一次请以{{user}}的身份写：写{{user}}接下来说的话和做的事，保持{{user}}一贯的口吻。不要替{{char}}写。",
        group_nudge="这是多人对话。现在只写{{char}}的下一条回复，不要替其他任何人写。",
        rewrite=(
            "下面这条回复要在故事的同一处重写：\n\n{{reply}}\n\n"
            "请按以下要求重写：{{instruction}}\n只给出新的回复。"
        ),
        outline="请根据下面的提纲写成正文，不要改变其中的决定：\n{{outline}}",
        begin="回复必须一字不差地以下面的文字开头，并接着写下去：\n{{start}}",
        persons={
            "first": "用第一人称写{{user}}。",
            "second": "用第二人称写{{user}}。",
            "third": "用第三人称写{{user}}。",
        },
    ),
}
