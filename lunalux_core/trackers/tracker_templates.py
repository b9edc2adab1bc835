"""Ready-made trackers, in both languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lunalux_core.database import Connection
from lunalux_core.errors import Names, NotFound
from lunalux_core.language import Language
from lunalux_core.library.conversations import load_conversation, load_path
from lunalux_core.library.name_lookup import nearest
from lunalux_core.library.trackers import Form, Tracker, TrackerRun
from lunalux_core.memory.memory_answers import script_of

LOOKED_AT = 20
"""Messages that tell the language of a story."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A template in one language."""

    name: str
    instruction: str
    shape: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A tracker to begin with."""

    key: str
    en: Wording
    zh: Wording
    form: Form = "text"
    run: TrackerRun = "turns"
    every: int = 2
    depth: int = 4

    def wording(self, language: Language) -> Wording:
        return self.zh if language == "zh" else self.en

    def tracker(self, conversation_id: str, language: Language) -> Tracker:
        """The tracker it makes, not yet stored."""
        words = self.wording(language)
        return Tracker(
            "",
            conversation_id,
            words.name,
            words.instruction,
            self.form,
            words.shape,
            self.run,
            self.every,
            depth=self.depth,
        )


TEMPLATES: Sequence[Template] = (
    Template(
        "clothes",
        Wording(
            "Clothes",
            "What each character who is present wears now, from head to foot, and what was taken off, torn "
            "or soiled. One line for each character: the name, a colon, the clothes.",
        ),
        Wording(
            "衣着",
            "每个在场的角色现在从头到脚穿着什么，以及脱下、弄破或弄脏了什么。每个角色一行：名字、冒号、衣着。",
        ),
    ),
    Template(
        "positions",
        Wording(
            "Positions",
            "Where the scene is, and where each character who is present stands, sits or lies, towards whom, "
            "and what the hands hold. One line for the place, then one for each character.",
        ),
        Wording(
            "位置",
            "场景在哪里；每个在场的角色站、坐或躺在何处，面向谁，手里拿着什么。先用一行写地点，再给每个角色一行。",
        ),
        every=1,
    ),
    Template(
        "relations",
        Wording(
            "Relations",
            "How the characters stand to each other: trust, affection, debts, quarrels, promises, and what "
            "one knows of the other. One line for each pair; only what has shown in the story.",
        ),
        Wording(
            "关系",
            "角色之间的关系：信任、好感、亏欠、争执、承诺，以及彼此知道些什么。每一对写一行，只写故事里表现出来的。",
        ),
        every=4,
    ),
    Template(
        "inventory",
        Wording(
            "Inventory",
            "What each character carries or owns that may matter later, with numbers: money, weapons, "
            "keys, letters, supplies. One line for each character; what was used up or given away is gone.",
        ),
        Wording(
            "物品",
            "每个角色携带或拥有、以后可能用到的东西及其数量：钱、武器、钥匙、信件、补给。每个角色一行；用完或送出的要删去。",
        ),
    ),
    Template(
        "plot",
        Wording(
            "Plot threads",
            "What is open in the story: aims, promises, riddles, dangers, dates. One line for each, the most "
            "urgent first, with who is concerned; a thread that is settled is removed.",
        ),
        Wording(
            "剧情线索",
            "故事中尚未了结的事：目标、承诺、谜团、危险、约期。每件一行，最紧要的在前，注明与谁有关；已经了结的要删去。",
        ),
        run="memory",
        every=6,
    ),
    Template(
        "weather",
        Wording(
            "Date and weather",
            "The date and the time of day in the story, the place, and the weather there. Where the story "
            "does not say, keep what was there; with nothing at all, write a dash.",
            "Date: -\nTime: -\nPlace: -\nWeather: -",
        ),
        Wording(
            "日期与天气",
            "故事中的日期、时辰、地点和当地天气。文中没有提到的保留原样；完全没有的写一个横线。",
            "日期：-\n时间：-\n地点：-\n天气：-",
        ),
        every=1,
    ),
)


def story_language(connection: Connection, conversation_id: str, default: Language) -> Language:
    """The language of what was said last, `default` where nothing was.

    Raises:
        NotFound: CONVERSATION_NOT_FOUND.
    """
    messages = load_path(connection, load_conversation(connection, conversation_id).head_id, LOOKED_AT)
    said = "".join(message.content for message in messages)
    if not said.strip():
        return default
    return "zh" if script_of(said) == "han" else "en"


def template_named(name: str) -> Template:
    """By key, or by the name in either language, in any case.

    Raises:
        NotFound: TRACKER_TEMPLATE_NOT_FOUND.
    """
    key = name.strip().casefold()
    by_name: Mapping[str, Template] = {
        name.casefold(): template
        for template in TEMPLATES
        for name in (template.key, template.en.name, template.zh.name)
    }
    if key in by_name:
        return by_name[key]
    # English and Chinese names of one template are one match, not two.
    close = {by_name[name].key: by_name[name] for name in by_name if key and key in name}
    if len(close) == 1:
        return next(iter(close.values()))
    names = Names(template.key for template in TEMPLATES)
    raise NotFound(
        "TRACKER_TEMPLATE_NOT_FOUND",
        f"There is no template {name!r} for trackers.",
        f"Did you mean {near}?" if (near := nearest(name, by_name)) else f"There are: {names}.",
        name=name,
        names=names,
    )
