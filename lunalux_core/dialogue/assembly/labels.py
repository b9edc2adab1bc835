"""The few words of our own that an assembly puts between other people's texts, by language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lunalux_core.dialogue.assembly.material import Language


@dataclass(frozen=True, slots=True)
class Labels:
    """`memory` stands over events of messages that are no longer in the prompt."""

    memory: str
    opening: str
    recent: str
    continue_nudge: str
    impersonation: str
    group_nudge: str


LABELS: Mapping[Language, Labels] = {
    "en": Labels(
        memory="What happened before:",
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
    ),
    "zh": Labels(
        memory="此前发生的事：",
        opening="故事的开头：",
        recent="最近的对话：",
        continue_nudge="从上一条消息停下的地方接着写。不要重复已有的文字；若停在半句，就从半句写起。",
        impersonation="这一次请以{{user}}的身份写：写{{user}}接下来说的话和做的事，保持{{user}}一贯的口吻。不要替{{char}}写。",
        group_nudge="这是多人对话。现在只写{{char}}的下一条回复，不要替其他任何人写。",
    ),
}
