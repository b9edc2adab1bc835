"""A conversation against the files of its branches, within one transaction of the library.

What the changed files ask for is done, and then it is known which branch belongs into which file. Nothing of
it is done twice: a message that stands already where a file wants it is taken as it is, so a program that was
killed before it could write its files starts again without harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from lunalux_core.database import Connection
from lunalux_core.ids import uuid4
from lunalux_core.library.branches import Branch, Said, branches_of, load_said
from lunalux_core.library.characters import load_character
from lunalux_core.library.conversations import (
    BY_SOMEBODY,
    PICTURES,
    SCENE,
    Conversation,
    Message,
    MessageRole,
    insert_message,
    load_conversation,
    load_message,
    new_message,
    role_in,
    select_message,
    set_conversation,
    update_message,
)
from lunalux_core.library.message_edits import edit_message
from lunalux_core.library.undo import Recorder
from lunalux_core.mirror.story_merge import NAME_LENGTH, Changes, Edit, changes_of, same_words
from lunalux_core.mirror.story_text import Block, StoryText, text_hash
from lunalux_core.mirror.sync_base import Record
from lunalux_core.text import clean, clean_line

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn_input import TurnReader

TITLE_LENGTH = 120
_PERSON = frozenset({"you", "user", "me", "i", "我", "你", "用户"})
_NARRATOR = frozenset({"narrator", "system", "旁白", "系统"})
_COPIED = (PICTURES, SCENE, BY_SOMEBODY)
"""What is noted of a message that goes along where it is copied into a branch."""


class ReplyRunning(Exception):
    """A reply is being written in the conversation: it is left alone for now."""


@dataclass(slots=True)
class Page:
    """A file of a branch.

    Args:
        path: "" for a branch that has no file yet.
        record: what was agreed on, None for a file that is new.
        story: what the file holds, where it changed or is new.
    """

    path: str
    record: Record | None = None
    story: StoryText | None = None
    ids: tuple[str, ...] = ()
    branch: Branch | None = None
    changes: Changes | None = field(default=None, init=False)
    other: str = field(default="", init=False)
    """After a branching, the id of the last message of the library's own version."""
    is_copy: bool = field(default=False, init=False)
    """Whether no branch was its own when it was heard."""

    def __post_init__(self) -> None:
        if not self.ids and self.record is not None:
            self.ids = tuple(self.record.messages)
        if not self.ids and self.story is not None:
            self.ids = tuple(block.id for block in self.story.blocks if block.id)


@dataclass(frozen=True, slots=True)
class Settled:
    """A conversation after the changes in its files were taken over: every branch on a page of its own.

    Args:
        gone: files whose branch is not there any more.
        forks: messages that begin a branch in any case.
    """

    conversation: Conversation
    pages: tuple[Page, ...]
    gone: tuple[Page, ...]
    forks: frozenset[str]

    def forks_of(self, page: Page) -> tuple[str, ...]:
        ids = page.branch.ids if page.branch else ()
        return tuple(identity for identity in ids if identity in self.forks)


def settle(
    connection: Connection, conversation_id: str, pages: Sequence[Page], reader: Callable[[], TurnReader]
) -> Settled:
    """Do what changed files ask for, and find the page of each branch.

    Raises:
        NotFound: CONVERSATION_NOT_FOUND. ReplyRunning.
    """
    conversation = load_conversation(connection, conversation_id)
    said = load_said(connection, conversation_id)
    if any(message.pending for message in said):
        raise ReplyRunning(conversation_id)
    forks = {fork for page in pages if page.record for fork in page.record.forks}
    if any(page.story is not None for page in pages):
        _hear(connection, conversation, said, pages, forks, reader)
        conversation = load_conversation(connection, conversation_id)
        said = load_said(connection, conversation_id)
    branches = branches_of(said, conversation.head_id, forks)
    left = _assign(pages, branches)
    placed = [page for page in pages if page.branch is not None]
    gone = tuple(page for page in pages if page.branch is None)
    # New files come first: killed after the others, a program would not know any more what branched off.
    fresh = [Page("", branch=branch) for branch in left]
    return Settled(conversation, (*fresh, *placed), gone, frozenset(forks))


def start(
    connection: Connection,
    owner: str,
    is_group: bool,
    page: Page,
    title: str,
    reader: Callable[[], TurnReader],
) -> Settled:
    """A new conversation from a file that a person wrote."""
    from lunalux_core.library.conversations import create_conversation

    assert page.story is not None
    called = clean_line(page.story.title or title, TITLE_LENGTH)
    conversation = create_conversation(
        connection, "" if is_group else owner, called, group_id=owner if is_group else ""
    )
    return settle(connection, conversation.id, [page], reader)


def version_of(conversation: Conversation, branch: Branch) -> str:
    """Identity of what a file shows of a branch."""
    digest = sha256(repr(conversation.title).encode())
    for message in branch.messages:
        shown = repr((message.id, message.role, message.name, message.text))
        digest.update(shown.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def _hear(
    connection: Connection,
    conversation: Conversation,
    said: Sequence[Said],
    pages: Sequence[Page],
    forks: set[str],
    reader: Callable[[], TurnReader],
) -> None:
    """Do what the changed files of `pages` ask for; what branches off is added to `forks`."""
    # What had a file is heard as a branch, though by now it may be no more than a version of a message: a
    # program that was killed may have stored what the file asks for, and shown it.
    filed = {identity for page in pages if page.record for identity in page.record.messages}
    branches = branches_of(said, conversation.head_id, forks | filed)
    _assign(pages, branches)
    voices = _Voices(connection, conversation, said, reader)
    for page in pages:
        if page.story is None:
            continue
        base = page.record.messages if page.record is not None else {}
        branch = page.branch
        if branch is None:
            # A copy of another file, or one whose branch was deleted here: all it has is new.
            base, branch, page.is_copy = {}, _nearest(page.story, branches), True
        # A file that was read before this transaction may ask for what another page just did.
        line = _now(connection, conversation.id, branch)
        page.changes = changes_of(base, page.story.blocks, line)
        for edit in page.changes.edits:
            _edit(connection, conversation, edit)
        if page.branch is not None:
            page.ids = page.branch.ids
        if page.changes.chain:
            follows = branch is not None and branch.shown
            page.ids = voices.chain(page.changes, line, shown=follows)
            if page.changes.branches:
                above = (
                    [message.id for message in line].index(page.changes.parent) + 1
                    if page.changes.parent
                    else 0
                )
                forks |= {page.ids[above], *(message.id for message in line[above : above + 1])}
                page.other = line[-1].id if line else ""
        _retitle(connection, conversation, page)


def _now(connection: Connection, conversation_id: str, branch: Branch | None) -> list[Said]:
    """The messages of a branch as they are by now."""
    if branch is None:
        return []
    now = {message.id: message for message in load_said(connection, conversation_id)}
    return [now[message.id] for message in branch.messages if message.id in now]


def _edit(connection: Connection, conversation: Conversation, edit: Edit) -> None:
    message = load_message(connection, edit.id)
    if edit.text != message.content:
        edit_message(connection, edit.id, edit.text)
    if edit.name != message.name:
        record = Recorder(connection, conversation.id, "edit", [edit.id])
        update_message(connection, edit.id, name=edit.name)
        record.done()


def _retitle(connection: Connection, conversation: Conversation, page: Page) -> None:
    """Take the title of a file, where it changed there and not in the library."""
    story, record = page.story, page.record
    if story is None or record is None or story.title == record.title:
        return
    if conversation.title == record.title:  # else the library's counts
        set_conversation(connection, conversation.id, title=clean_line(story.title, TITLE_LENGTH))


class _Voices:
    """Stores new messages of a conversation, each in the voice that its heading names."""

    def __init__(
        self,
        connection: Connection,
        conversation: Conversation,
        said: Sequence[Said],
        reader: Callable[[], TurnReader],
    ) -> None:
        self._connection = connection
        self._conversation = conversation
        self._reader = reader
        self._ids = {message.id for message in said}
        self._roles = {message.name.strip().casefold(): message.role for message in said}
        self._below: dict[str, list[Said]] = {}
        for message in said:
            self._below.setdefault(message.parent_id, []).append(message)

    def chain(self, changes: Changes, line: Sequence[Said], *, shown: bool) -> tuple[str, ...]:
        """Store a chain of messages; the ids from the top to its end.

        Args:
            shown: whether the branch that the file was of is on the screen, which then follows the file.
        """
        above = self._above(changes.parent, line)
        parent = load_message(self._connection, changes.parent) if changes.parent else None
        ids, blocks = list(above), list(changes.chain)
        while blocks and (there := self._there(ids[-1] if ids else "", blocks[0])) is not None:
            ids.append(there.id)
            parent = load_message(self._connection, there.id)
            blocks.pop(0)
        fresh = [uuid4() for _ in blocks]
        record = Recorder(self._connection, self._conversation.id, "branch", [parent.id] if parent else [])
        for place, block in enumerate(blocks):
            following = fresh[place + 1] if place + 1 < len(fresh) else ""
            parent = self._message(parent, block, fresh[place], following)
            insert_message(self._connection, parent)
            # Another file may ask for the same.
            there = Said(
                parent.id, parent.parent_id, parent.role, parent.name, parent.content, False, following
            )
            self._below.setdefault(parent.parent_id, []).append(there)
        ids += fresh
        if shown and not changes.conflict:
            select_message(self._connection, ids[-1])
        elif fresh and not changes.branches and changes.parent:
            update_message(self._connection, changes.parent, selected_child=fresh[0])
        if fresh and changes.branches:
            record.done(*fresh)
        if fresh and not line and not changes.parent:  # the first words of all
            select_message(self._connection, ids[-1])
        return tuple(ids)

    def _above(self, parent: str, line: Sequence[Said]) -> list[str]:
        ids = [message.id for message in line]
        return ids[: ids.index(parent) + 1] if parent else []

    def _there(self, parent: str, block: Block) -> Said | None:
        """A message that stands already where a block is to stand."""
        wanted = [message for message in self._below.get(parent, []) if same_words(block, message)]
        return next((m for m in wanted if not block.role or m.role == block.role), None)

    def _message(self, parent: Message | None, block: Block, identity: str, following: str) -> Message:
        text = clean(block.text)
        if block.id in self._ids:
            return self._copy(load_message(self._connection, block.id), parent, text, identity, following)
        role, name, rest = self._voice(block)
        return new_message(
            self._conversation.id,
            parent,
            role,
            name,
            text,
            id=identity,
            raw=text,
            selected_child=following,
            **rest,
        )

    def _copy(
        self, message: Message, parent: Message | None, text: str, identity: str, following: str
    ) -> Message:
        is_same = text_hash(text) == text_hash(message.content)
        return replace(
            message,
            id=identity,
            parent_id=parent.id if parent else "",
            depth=parent.depth + 1 if parent else 0,
            content=message.content if is_same else text,
            raw=message.raw if is_same else text,
            status="done",
            # It was paid for once, as the message that this is a copy of.
            usage=None,
            billing=None,
            extra={key: message.extra[key] for key in _COPIED if key in message.extra},
            selected_child=following,
        )

    def _voice(self, block: Block) -> tuple[MessageRole, str, Mapping[str, object]]:
        """Role and name of a new message, and what else belongs to its voice."""
        name = clean_line(block.name, NAME_LENGTH)
        key = name.casefold()
        role = block.role or self._roles.get(key, "")
        if role == "user" or (not role and key in _PERSON):
            return "user", self._person() if key in _PERSON else name, {}
        if role == "system" or (not role and key in _NARRATOR):
            return "system", name, {}
        if not role and key == self._person().casefold():
            return "user", name, {}
        if self._conversation.group_id:
            from lunalux_core.library.groups import load_group

            for member in load_group(self._connection, self._conversation.group_id).members:
                if member.name.casefold() == key:
                    return "assistant", member.name, {"speaker": member.character_id}
        elif key == load_character(self._connection, self._conversation.character_id).name.casefold():
            return "assistant", name, {}
        return (role_in(role) if role else "assistant"), name, {"extra": {BY_SOMEBODY: True}}

    def _person(self) -> str:
        from lunalux_core.dialogue.turn import TurnOptions

        return self._reader().user_name(self._connection, self._conversation, TurnOptions())


def _assign(pages: Sequence[Page], branches: Sequence[Branch]) -> list[Branch]:
    """Give each page the branch that has most of its messages, each branch once; those that are left."""
    fits = sorted(
        (
            (-_common(page.ids, branch.ids), page.record is None, not branch.shown, place, number)
            for place, page in enumerate(pages)
            for number, branch in enumerate(branches)
            if _common(page.ids, branch.ids)
        ),
    )
    free = dict(enumerate(branches))
    for page in pages:
        page.branch = None
    for _common_ids, _is_new, _is_hidden, place, number in fits:
        if number in free and pages[place].branch is None:
            pages[place].branch = free.pop(number)
    return list(free.values())


def _common(ids: Sequence[str], others: Sequence[str]) -> int:
    count = 0
    for identity, other in zip(ids, others, strict=False):
        if identity != other:
            break
        count += 1
    return count


def _nearest(story: StoryText, branches: Sequence[Branch]) -> Branch | None:
    """The branch with the longest beginning that a file has, too."""

    def common(branch: Branch) -> int:
        count = 0
        for block, message in zip(story.blocks, branch.messages, strict=False):
            if not same_words(block, message):
                break
            count += 1
        return count

    return max(branches, key=common, default=None)
