"""Memories: what a story is to remember, each at a point of its tree.

A memory covers a range of messages and exists on the branches that hold the last of them; one without a range
belongs to its whole conversation. It is sound while every covered message still stands where it stood with
the words it had: triggers mark the memories of a message that changed, and these are then compared by
fingerprints, so that an edit which is taken back makes them sound again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Literal, get_args

from lunalux_core.database import Connection, Database, Row
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.ids import now_ms, short_id
from lunalux_core.library.cells import (
    json_cell,
    moment_in,
    object_in,
    plain_text,
    texts_in,
    value_in,
    whole_number,
)
from lunalux_core.library.conversations import ABOVE, LONGEST, Message, load_conversation
from lunalux_core.library.name_lookup import LEAST_BEGINNING, missing, words
from lunalux_core.library.parts import in_parts
from lunalux_core.text import clean_line

MemoryKind = Literal["summary", "fact", "marked", "chapter", "journal", "tracker"]
KINDS: tuple[MemoryKind, ...] = get_args(MemoryKind)
MemoryState = Literal["fresh", "edited", "failed"]
MemoryStatus = Literal["fresh", "stale", "failed", "edited"]
_STATES: tuple[MemoryState, ...] = get_args(MemoryState)

PERSON = "person"
"""In `made_by`: written by the person; otherwise the name of a model, or of what it came from."""
_NAME_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Memory:
    """One memory. `first` and `last` are ids of messages, "" where it has no range.

    `tokens` is an estimate that no model has taught, so that it stays the same. `state` is what was done with
    it, `sound` whether its messages are as they were; `sources` names, for a sentence of the text, the ids of
    the messages it comes from ({sentence, messages}). `parts` are the memories a chapter is made of, `reason`
    says why it failed, `instruction` which wording it was written with.
    """

    id: str
    conversation_id: str
    kind: MemoryKind
    text: str
    title: str = ""
    keywords: tuple[str, ...] = ()
    first: str = ""
    last: str = ""
    speaker: str = ""
    tokens: int = 0
    pinned: bool = False
    state: MemoryState = "fresh"
    reason: str = ""
    sources: tuple[Mapping[str, Any], ...] = ()
    parts: tuple[str, ...] = ()
    made_by: str = PERSON
    instruction: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    sound: bool = True
    created_at: int = 0
    updated_at: int = 0
    number: int = 0

    @property
    def name(self) -> str:
        """What a person calls it: the title, else how it begins."""
        return clean_line(self.title or self.text, _NAME_LENGTH) or self.id

    def status(self, path: Collection[str]) -> MemoryStatus:
        """What it is on a branch, given the ids of its messages."""
        if self.state == "failed":
            return "failed"
        return self.state if self.holds_on(path) else "stale"

    def holds_on(self, path: Collection[str]) -> bool:
        """Whether its words are true of a branch: its messages stand there as they were."""
        return self.sound and (not self.last or self.last in path)

    def usable_on(self, path: Collection[str]) -> bool:
        """Whether it may be part of a prompt of a branch."""
        return self.state != "failed" and bool(self.text.strip()) and self.holds_on(path)


@dataclass(frozen=True, slots=True)
class Removed:
    """A memory that was deleted, with all that is needed to bring it back as it was."""

    memory: Memory
    coverage: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """The memories of a conversation as one branch sees them, in the order of the story.

    `here` belong to it: they have no range, or at least the beginning of it stands there, or their messages
    are gone altogether; which of them are stale `Memory.status` says. `elsewhere` are those of other
    branches. `path` are the ids of its messages, oldest first.
    """

    here: tuple[Memory, ...] = ()
    elsewhere: tuple[Memory, ...] = ()
    path: tuple[str, ...] = ()


class Memories:
    """The shelf of memories. Searches and turns use the functions below within a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, conversation_id: str) -> Sequence[Memory]:
        """Of all branches, in the order of the tree, those without a range first."""
        return await self._database.read(lambda c: load_memories(c, conversation_id))

    async def shown(self, conversation_id: str) -> tuple[Sequence[Memory], frozenset[str]]:
        """All memories, and the ids of the messages on the branch that is shown."""

        def query(connection: Connection) -> tuple[Sequence[Memory], frozenset[str]]:
            place = load_conversation(connection, conversation_id)
            return load_memories(connection, place.id), frozenset(path_ids(connection, place.head_id))

        return await self._database.read(query)

    async def branch(self, conversation_id: str) -> Branch:
        """All memories, parted by the branch that is shown. Raises NotFound (CONVERSATION_NOT_FOUND)."""

        def query(connection: Connection) -> Branch:
            place = load_conversation(connection, conversation_id)
            path = path_ids(connection, place.head_id)[::-1]
            return parted(connection, load_memories(connection, place.id), path)

        return await self._database.read(query)

    async def covering(self, message_id: str) -> Sequence[str]:
        """Ids of the memories whose range holds a message."""

        def query(connection: Connection) -> list[str]:
            rows = connection.execute(
                "SELECT id FROM memory_coverage JOIN memories ON number = memory "
                "WHERE message_id = ? ORDER BY number",
                (message_id,),
            )
            return [row[0] for row in rows]

        return await self._database.read(query)

    async def find(self, conversation_id: str, name: str) -> Memory:
        """By id, title or beginning of the text; a unique beginning or word of them will do, in any case.

        Raises:
            NotFound: MEMORY_NOT_FOUND, with the nearest names.
        """
        return pick(await self.list(conversation_id), name)

    async def add(self, memory: Memory) -> Memory:
        """Store a new memory; an empty id is given one. See `add_memory`."""
        return await self._database.write(lambda c: add_memory(c, memory))

    async def edit(self, memory_id: str, **values: Any) -> Memory:
        """Set fields by hand; see `edit_memory`."""
        return await self._database.write(lambda c: edit_memory(c, memory_id, **values))

    async def delete(self, memory_id: str) -> Removed | None:
        """Delete a memory; None where it was gone already."""
        return await self._database.write(lambda c: remove_memory(c, memory_id))

    async def restore(self, removed: Removed) -> Memory:
        """Bring a deleted memory back as it was. Raises NotFound where its conversation is gone."""
        return await self._database.write(lambda c: put_back(c, removed))

    async def covered(self, memory_id: str) -> Sequence[str]:
        """Ids of the messages it covers, oldest first."""
        return await self._database.read(
            lambda c: [message_id for message_id, _ in coverage_of(c, memory_id)]
        )


# -- messages -----------------------------------------------------------------------------------------------


def fingerprint(role: str, content: str) -> str:
    """What stays the same while a message does."""
    return blake2b(f"{role}\0{content}".encode("utf-8", "replace"), digest_size=12).hexdigest()


def coverage_by(messages: Iterable[Message]) -> tuple[tuple[str, str], ...]:
    """Messages as what is made of them covers them: each with its fingerprint."""
    return tuple((message.id, fingerprint(message.role, message.content)) for message in messages)


def path_ids(connection: Connection, head: str) -> list[str]:
    """Ids of a message and all above it, the lowest first."""
    rows = connection.execute(ABOVE + "SELECT id FROM path ORDER BY step", {"start": head, "limit": LONGEST})
    return [row[0] for row in rows]


@dataclass(frozen=True, slots=True)
class Outline:
    """What a message is without its words: `size` counts their bytes in UTF-8. `ends_scene` is the person's
    word; `ruled` says that a line of it may be a rule, as stories divide their scenes.
    """

    id: str
    parent_id: str
    role: str
    size: int
    hidden: bool
    pending: bool
    ends_scene: bool = False
    ruled: bool = False


_RULES = ("***", "* * *", "---", "- - -", "___", "~~~", "###", "———", "＊＊＊", "◇", "◆", "※", "⁂")
_RULED = " OR ".join(f"instr(m.content, '{rule}')" for rule in _RULES)
# Most messages have nothing in `extra`: JSON is read only where the word occurs in it at all.
_ENDS_SCENE = "iif(instr(m.extra, '\"scene\"') AND json_valid(m.extra), json_extract(m.extra, '$.scene'), 0)"


def path_outline(connection: Connection, head: str) -> list[Outline]:
    """A message and all above it, oldest first; thousands cost some milliseconds."""
    rows = connection.execute(
        ABOVE + "SELECT m.id, m.parent_id, m.role, length(CAST(m.content AS BLOB)), m.hidden, "
        f"m.status = 'pending', {_ENDS_SCENE} = 1, {_RULED} "
        "FROM path JOIN messages m USING (number) ORDER BY step DESC",
        {"start": head, "limit": LONGEST},
    )
    return [
        Outline(row[0], row[1], plain_text(row[2]), row[3] or 0, *map(bool, tuple(row)[4:])) for row in rows
    ]


def find_message(connection: Connection, conversation_id: str, name: str) -> str:
    """The id of a message by its id, a unique beginning of it, or its number on the branch shown, from 0.

    Raises:
        NotFound: MESSAGE_NOT_FOUND.
    """
    name = name.strip()
    rows = connection.execute(
        "SELECT id FROM messages WHERE conversation_id = ? AND substr(id, 1, ?) = ? LIMIT 2",
        # An empty name is compared with one letter, so that it fits nothing and not everything.
        (conversation_id, max(len(name), 1), name.lower()),
    ).fetchall()
    # A number is a place on the branch, unless it is the whole id of a message; eight digits and more are
    # an id.
    if name.isdecimal() and len(name) < 8 and not (len(rows) == 1 and rows[0][0] == name):
        path = path_ids(connection, load_conversation(connection, conversation_id).head_id)[::-1]
        if int(name) < len(path):
            return str(path[int(name)])
    if len(rows) == 1 and len(name) >= LEAST_BEGINNING:
        return str(rows[0][0])
    raise NotFound(
        "MESSAGE_NOT_FOUND",
        f"There is no message {name!r} in this conversation.",
        "`lunalux conversation show ID --json` shows the ids.",
        id=name,
        kind="here",
    )


def chain(connection: Connection, first: str, last: str) -> list[str]:
    """Ids from one message down to another, both included; they may be given in either order.

    Raises:
        InvalidInput: MEMORY_RANGE, they do not stand on one branch.
    """
    # Nobody has to know which of two messages stands higher.
    for upper, lower in ((first, last), (last, first)):
        path = path_ids(connection, lower)
        if upper in path:
            return path[: path.index(upper) + 1][::-1]
    raise InvalidInput(
        "MEMORY_RANGE",
        "These two messages do not stand on one branch.",
        "Choose a range whose last message follows from the first.",
    )


def fingerprints(connection: Connection, ids: Sequence[str]) -> list[tuple[str, str]]:
    """Each message with its fingerprint."""
    fingerprint_of: dict[str, str] = {}
    for marks, some in in_parts(ids):
        for row in connection.execute(f"SELECT id, role, content FROM messages WHERE id IN ({marks})", some):
            fingerprint_of[row["id"]] = fingerprint(plain_text(row["role"]), plain_text(row["content"]))
    return [(message_id, fingerprint_of.get(message_id, "")) for message_id in ids]


# -- memories -----------------------------------------------------------------------------------------------


def add_memory(
    connection: Connection, memory: Memory, coverage: Sequence[tuple[str, str]] | None = None
) -> Memory:
    """Store a new memory over the messages from `first` to `last`.

    Args:
        coverage: the covered messages with their fingerprints as they were when the text was written; None
            takes them as they are now.

    Raises:
        NotFound: CONVERSATION_NOT_FOUND. InvalidInput: MEMORY_RANGE, MEMORY_EMPTY.
    """
    load_conversation(connection, memory.conversation_id)
    if not memory.text.strip() and memory.state != "failed":
        raise InvalidInput("MEMORY_EMPTY", "A memory needs words.", "Give it a text.")
    if coverage is None:
        coverage = _coverage_now(connection, memory.first, memory.last)
    if coverage:
        memory = replace(memory, first=coverage[0][0], last=coverage[-1][0])
    now = now_ms()
    memory = replace(
        memory,
        id=memory.id or short_id(),
        tokens=tokens_of(memory),
        created_at=memory.created_at or now,
        updated_at=memory.updated_at or now,
    )
    cursor = connection.execute(
        "INSERT INTO memories (id, conversation_id, kind, title, text, keywords, first_id, last_id, speaker, "
        "tokens, pinned, state, reason, sources, parts, made_by, instruction, extra, created_at, updated_at, "
        "checked) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0)",
        (memory.id, memory.conversation_id, memory.kind, *_cells(memory)),
    )
    number = int(cursor.lastrowid or 0)
    _cover(connection, number, coverage)
    _settle(connection, number)
    return load_memory(connection, memory.id)


def edit_memory(connection: Connection, memory_id: str, **values: Any) -> Memory:
    """Set fields of a memory by hand: title, text, keywords, pinned, speaker, kind, first, last.

    Other words than before make it *edited*: whoever wrote them has seen the messages as they are now.

    Raises:
        NotFound: MEMORY_NOT_FOUND. InvalidInput: MEMORY_RANGE, MEMORY_EMPTY.
    """
    allowed = {"title", "text", "keywords", "pinned", "speaker", "kind", "first", "last"}
    assert values.keys() <= allowed, values.keys() - allowed
    before = load_memory(connection, memory_id)
    after = replace(before, **values)
    if not after.text.strip():
        raise InvalidInput(
            "MEMORY_EMPTY", "A memory needs words.", "Give it a text, or delete it.", kind="edit"
        )
    reworded = (after.text, after.title) != (before.text, before.title)
    if reworded:
        # The person has seen the messages as they are now, so the memory fits them again.
        after = replace(after, state="edited", reason="", sources=())
    coverage: Sequence[tuple[str, str]] | None = None
    if reworded or (after.first, after.last) != (before.first, before.last):
        # Words may be changed of a memory whose messages are gone; a range that is asked for has to be there.
        try:
            coverage = _coverage_now(connection, after.first, after.last)
        except (InvalidInput, NotFound):
            if (after.first, after.last) != (before.first, before.last):
                raise
    if coverage:
        after = replace(after, first=coverage[0][0], last=coverage[-1][0])
    store_memory(connection, after, coverage)
    return load_memory(connection, memory_id)


def store_memory(
    connection: Connection, memory: Memory, coverage: Sequence[tuple[str, str]] | None = None
) -> None:
    """Put a memory in place of the one with its id; `coverage` None leaves what it covers."""
    memory = replace(memory, tokens=tokens_of(memory), updated_at=now_ms())
    connection.execute(
        "UPDATE memories SET kind = ?, title = ?, text = ?, keywords = ?, first_id = ?, last_id = ?, "
        "speaker = ?, tokens = ?, pinned = ?, state = ?, reason = ?, sources = ?, parts = ?, made_by = ?, "
        "instruction = ?, extra = ?, created_at = ?, updated_at = ?, checked = 0 WHERE id = ?",
        (memory.kind, *_cells(memory), memory.id),
    )
    if coverage is not None:
        connection.execute("DELETE FROM memory_coverage WHERE memory = ?", (memory.number,))
        _cover(connection, memory.number, coverage)
    _settle(connection, memory.number)


def remove_memory(connection: Connection, memory_id: str) -> Removed | None:
    """Delete a memory; None where it was gone already."""
    try:
        memory = load_memory(connection, memory_id)
    except NotFound:
        return None
    removed = Removed(memory, tuple(coverage_of(connection, memory_id)))
    connection.execute("DELETE FROM memories WHERE id = ?", (memory_id,))
    return removed


def put_back(connection: Connection, removed: Removed) -> Memory:
    """Bring a deleted memory back. Raises NotFound (CONVERSATION_NOT_FOUND)."""
    return add_memory(connection, removed.memory, removed.coverage)


def load_memory(connection: Connection, memory_id: str) -> Memory:
    """Raises NotFound (MEMORY_NOT_FOUND)."""
    row = connection.execute("SELECT * FROM memories WHERE id = ?", (memory_id,)).fetchone()
    if row is None:
        raise _missing(memory_id, ())
    return _checked(connection, [row])[0]


def load_memories(connection: Connection, conversation_id: str) -> list[Memory]:
    """All memories of a conversation in the order of the tree; those without a range first."""
    rows = connection.execute(
        "SELECT memories.*, m.depth AS depth FROM memories LEFT JOIN messages m ON m.id = last_id "
        "WHERE memories.conversation_id = ? ORDER BY coalesce(depth, -1), memories.number",
        (conversation_id,),
    ).fetchall()
    return _checked(connection, rows)


def parted(connection: Connection, memories: Sequence[Memory], path: Sequence[str]) -> Branch:
    """See `Branch`."""
    on_path = frozenset(path)
    away = [memory for memory in memories if memory.last and not on_path & {memory.first, memory.last}]
    # Messages that are deleted are on no other branch: the person finds their memories here, as stale.
    there: set[str] = set()
    for marks, some in in_parts([memory.last for memory in away]):
        rows = connection.execute(f"SELECT id FROM messages WHERE id IN ({marks})", some)
        there.update(row[0] for row in rows)
    elsewhere = {memory.id for memory in away if memory.last in there}
    return Branch(
        tuple(memory for memory in memories if memory.id not in elsewhere),
        tuple(memory for memory in away if memory.id in elsewhere),
        tuple(path),
    )


def memory_revision(connection: Connection) -> int:
    """A number that changes with every change of any memory."""
    return int(connection.execute("SELECT number FROM memory_revision").fetchone()[0])


def coverage_of(connection: Connection, memory_id: str) -> list[tuple[str, str]]:
    """The covered messages, oldest first, with their fingerprints as they were."""
    rows = connection.execute(
        "SELECT message_id, fingerprint FROM memory_coverage JOIN memories ON number = memory "
        "WHERE id = ? ORDER BY place",
        (memory_id,),
    )
    return [(row[0], row[1]) for row in rows]


def coverages(connection: Connection, conversation_id: str, kinds: Sequence[str]) -> dict[str, list[str]]:
    """Ids of the covered messages, oldest first, by the id of the memory, for memories of these kinds."""
    marks = ",".join("?" * len(kinds))
    coverage: dict[str, list[str]] = {}
    for row in connection.execute(
        "SELECT memories.id, message_id FROM memories JOIN memory_coverage ON number = memory "
        f"WHERE conversation_id = ? AND kind IN ({marks}) ORDER BY number, place",
        (conversation_id, *kinds),
    ):
        coverage.setdefault(row[0], []).append(row[1])
    return coverage


def settle_memories(connection: Connection, conversation_id: str) -> None:
    """Compare what changed with its fingerprints and remember the outcome, so that no turn need do it again;
    within a write.
    """
    rows = connection.execute(
        "SELECT number FROM memories WHERE conversation_id = ? AND checked = 0", (conversation_id,)
    ).fetchall()
    for row in rows:
        _settle(connection, int(row[0]))


def _settle(connection: Connection, number: int) -> None:
    sound = int(_is_sound(connection, number))
    connection.execute("UPDATE memories SET sound = ?, checked = 1 WHERE number = ?", (sound, number))


def pick(stored: Sequence[Memory], name: str) -> Memory:
    """See `Memories.find`."""
    key = name.strip().casefold()
    for memory in stored:
        if key and key in (memory.id, memory.title.casefold(), memory.name.casefold()):
            return memory
    for fits in (_begins, _has_word):
        close = [memory for memory in stored if key and fits(memory, key)]
        if len(close) == 1:
            return close[0]
    raise _missing(name, [memory.name for memory in stored])


def tokens_of(memory: Memory) -> int:
    """About how many tokens a memory takes in a prompt."""
    from lunalux_core.llm.tokens import TokenEstimator

    return TokenEstimator().text(memory.text) + (TokenEstimator().text(memory.title) if memory.title else 0)


def _begins(memory: Memory, wanted: str) -> bool:
    id_too = len(wanted) >= LEAST_BEGINNING and memory.id.startswith(wanted)
    return id_too or memory.title.casefold().startswith(wanted) or memory.text.casefold().startswith(wanted)


def _has_word(memory: Memory, wanted: str) -> bool:
    return wanted in words(f"{memory.title} {memory.name}")


def _missing(name: str, names: Iterable[str]) -> NotFound:
    return missing(
        "MEMORY_NOT_FOUND",
        f"There is no memory {name!r} in this conversation.",
        "`lunalux memory list ID` shows them all.",
        name,
        names,
    )


def _coverage_now(connection: Connection, first: str, last: str) -> list[tuple[str, str]]:
    if not (first or last):
        return []
    return fingerprints(connection, chain(connection, first or last, last or first))


def _cover(connection: Connection, number: int, coverage: Sequence[tuple[str, str]]) -> None:
    connection.executemany(
        "INSERT INTO memory_coverage (memory, place, message_id, fingerprint) VALUES (?,?,?,?)",
        [(number, place, identity, mark) for place, (identity, mark) in enumerate(coverage)],
    )


def _checked(connection: Connection, rows: Sequence[Row]) -> list[Memory]:
    """The memories of rows, soundness found out where it is not known."""
    return [
        # A read may not write down what it finds out; `settle_memories` does that later.
        _memory(row, bool(row["sound"]) if row["checked"] else _is_sound(connection, row["number"]))
        for row in rows
    ]


def _is_sound(connection: Connection, number: int) -> bool:
    """Whether every covered message hangs on the one before it and says what it said."""
    rows = connection.execute(
        "SELECT fingerprint, message_id, m.id, m.parent_id, m.role, m.content FROM memory_coverage "
        "LEFT JOIN messages m ON m.id = message_id WHERE memory = ? ORDER BY place",
        (number,),
    ).fetchall()
    above = ""
    for row in rows:
        # A covered message is gone, or hangs on another one: the range is no longer one piece of one
        # branch.
        if row["id"] is None or (above and row["parent_id"] != above):
            return False
        if row["fingerprint"] != fingerprint(plain_text(row["role"]), plain_text(row["content"])):
            return False
        above = row["id"]
    return True


def _cells(memory: Memory) -> tuple[Any, ...]:
    return (
        memory.title,
        memory.text,
        json_cell(list(memory.keywords)),
        memory.first,
        memory.last,
        memory.speaker,
        memory.tokens,
        int(memory.pinned),
        memory.state,
        memory.reason,
        json_cell([dict(source) for source in memory.sources]),
        json_cell(list(memory.parts)),
        memory.made_by,
        memory.instruction,
        json_cell(dict(memory.extra)),
        memory.created_at,
        memory.updated_at,
    )


def _memory(row: Row, sound: bool) -> Memory:
    kind, state = plain_text(row["kind"]), plain_text(row["state"])
    sources = value_in(row["sources"])
    return Memory(
        id=row["id"],
        conversation_id=row["conversation_id"],
        kind=next((name for name in KINDS if name == kind), "fact"),
        text=plain_text(row["text"]),
        title=plain_text(row["title"]),
        keywords=texts_in(row["keywords"]),
        first=plain_text(row["first_id"]),
        last=plain_text(row["last_id"]),
        speaker=plain_text(row["speaker"]),
        tokens=whole_number(row["tokens"]),
        pinned=bool(row["pinned"]),
        state=next((name for name in _STATES if name == state), "fresh"),
        reason=plain_text(row["reason"]),
        sources=tuple(source for source in sources if isinstance(source, dict))
        if isinstance(sources, list)
        else (),
        parts=texts_in(row["parts"]),
        made_by=plain_text(row["made_by"]),
        instruction=plain_text(row["instruction"]),
        extra=object_in(row["extra"]),
        sound=sound,
        created_at=moment_in(row["created_at"]),
        updated_at=moment_in(row["updated_at"]),
        number=int(row["number"]),
    )
