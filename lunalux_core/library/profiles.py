"""Profiles: ways to have replies made. A profile names what is used (model, preset …), without a copy of it.

One may be in use everywhere, with a character, in a group for a member, in a chat, or for a task beside the
replies. What one of them does not name is left to the next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from lunalux_core.database import Connection, Database, Row
from lunalux_core.documents.coerce import as_object, as_text, as_texts
from lunalux_core.errors import InvalidInput
from lunalux_core.ids import now_ms, short_id
from lunalux_core.library.cells import object_in
from lunalux_core.library.name_lookup import find_named, missing
from lunalux_core.templates.template_values import ReplyStart
from lunalux_core.text import clean_line

Task = Literal["memory", "tracker", "impersonate", "suggest", "translate", "director"]
TASKS: tuple[Task, ...] = get_args(Task)
ProfileScope = Literal["conversation", "member", "character", "global", "task"]
LENGTH = 80
"""Characters of a profile's name."""
NOBODY = "none"
"""The name that stands for no profile; nothing else may have it."""


@dataclass(frozen=True, slots=True)
class ProfilePlace:
    """Where a profile is in use.

    Args:
        target: the id of the chat or character, `group:character` for a member, the name of a task, "" for
            everywhere.
    """

    scope: ProfileScope
    target: str = ""

    @classmethod
    def of_member(cls, group_id: str, character_id: str) -> ProfilePlace:
        return cls("member", f"{group_id}:{character_id}")


@dataclass(frozen=True, slots=True)
class Profile:
    """What is to be used; "" and nothing leave a part to the next profile.

    Args:
        template: for models of text completion, as a saved model names it.
        parts: templates by kind, in the place of that template's.
        start: what replies begin with.
        sampling: parameters of the request by our names.
        post_process: how the roles are reshaped (`llm.model.POST_PROCESSING`).
        excluded: names of regex scripts that do not run.
    """

    name: str
    id: str = ""
    model: str = ""
    preset: str = ""
    template: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    start: ReplyStart | None = None
    stop: tuple[str, ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=dict)
    post_process: str = ""
    excluded: tuple[str, ...] = ()

    def as_document(self) -> dict[str, Any]:
        """Everything but name and id, as it is kept."""
        start = {"value": self.start.value, "show": self.start.show} if self.start is not None else None
        return {
            "model": self.model,
            "preset": self.preset,
            "template": self.template,
            "templates": dict(self.parts),
            "start_with": start,
            "stop": list(self.stop),
            "sampling": dict(self.sampling),
            "post_process": self.post_process,
            "exclude_scripts": list(self.excluded),
        }

    @classmethod
    def read(cls, name: str, identity: str, document: Mapping[str, Any]) -> Profile:
        """Lenient: what makes no sense is not named."""
        start = as_object(document.get("start_with"))
        value = as_text(start.get("value"))
        return cls(
            name,
            identity,
            as_text(document.get("model")),
            as_text(document.get("preset")),
            as_text(document.get("template")),
            {kind: as_text(part) for kind, part in as_object(document.get("templates")).items()},
            ReplyStart("", value, start.get("show") is not False) if value else None,
            tuple(as_texts(document.get("stop"))),
            as_object(document.get("sampling")),
            as_text(document.get("post_process")),
            tuple(as_texts(document.get("exclude_scripts"))),
        )


class Profiles:
    """All profiles of the library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[Profile]:
        """By name."""
        return await self._database.read(load_profiles)

    async def find(self, name: str) -> Profile:
        """By id or name, else by a unique beginning or word of a name, any case.

        Raises:
            NotFound: PROFILE_NOT_FOUND, with the nearest names.
        """
        return pick(await self.list(), name)

    async def save(self, profile: Profile) -> tuple[Profile, bool]:
        """Store a profile in the place of one with its name; it, and whether there was one.

        Raises:
            InvalidInput: PROFILE_NAME.
        """
        return await self._database.write(lambda c: put_profile(c, profile))

    async def add(self, profile: Profile) -> tuple[Profile, bool]:
        """Store a profile beside those that are there; one that says the same under that name, and False, if
        there is one. Another of that name keeps it, and the new one gets a number.

        Raises:
            InvalidInput: PROFILE_NAME.
        """

        return await self._database.write(lambda c: add_profile(c, profile))

    async def delete(self, profile_id: str) -> None:
        """Where it was in use, the next one is from now on."""
        await self._database.write(lambda c: c.execute("DELETE FROM profiles WHERE id = ?", (profile_id,)))

    async def use(self, use: ProfilePlace, profile_id: str) -> None:
        """Put a profile in use somewhere; "" leaves that place to the next one."""
        await self._database.write(lambda c: store_use(c, use, profile_id))

    async def uses(self) -> Mapping[ProfilePlace, str]:
        """Ids of profiles by where they are in use."""

        def query(connection: Connection) -> dict[ProfilePlace, str]:
            rows = connection.execute("SELECT scope, target, profile_id FROM profile_uses")
            return {ProfilePlace(row["scope"], row["target"]): row["profile_id"] for row in rows}

        return await self._database.read(query)


def load_profiles(connection: Connection) -> list[Profile]:
    return [_profile(row) for row in connection.execute("SELECT * FROM profiles ORDER BY name_key")]


def profile_in_use(connection: Connection, use: ProfilePlace) -> Profile | None:
    """The profile of one place."""
    row = connection.execute(
        "SELECT p.* FROM profile_uses u JOIN profiles p ON p.id = u.profile_id "
        "WHERE u.scope = ? AND u.target = ?",
        (use.scope, use.target),
    ).fetchone()
    return _profile(row) if row is not None else None


def store_use(connection: Connection, use: ProfilePlace, profile_id: str) -> None:
    """See `Profiles.use`."""
    connection.execute("DELETE FROM profile_uses WHERE scope = ? AND target = ?", (use.scope, use.target))
    if profile_id:
        connection.execute(
            "INSERT INTO profile_uses (scope, target, profile_id) VALUES (?,?,?)",
            (use.scope, use.target, profile_id),
        )


def add_profile(connection: Connection, profile: Profile) -> tuple[Profile, bool]:
    """See `Profiles.add`."""
    there = {profile.name.casefold(): profile for profile in load_profiles(connection)}
    name, number = profile.name, 1
    while (namesake := there.get(name.casefold())) is not None:
        if namesake.as_document() == profile.as_document():
            return namesake, False
        number += 1
        name = f"{profile.name} ({number})"
    return put_profile(connection, replace(profile, name=name))[0], True


def put_profile(connection: Connection, profile: Profile) -> tuple[Profile, bool]:
    """See `Profiles.save`."""
    name = clean_line(" ".join(profile.name.split()), LENGTH)
    if not name or name.casefold() == NOBODY:
        raise InvalidInput(
            "PROFILE_NAME",
            f"A profile cannot be called {profile.name!r}.",
            "Choose another name.",
            name=profile.name,
        )
    document = json.dumps(profile.as_document(), ensure_ascii=False)
    row = connection.execute("SELECT id FROM profiles WHERE name_key = ?", (name.casefold(),)).fetchone()
    # In place and under its id, so that it stays in use where it was.
    if row is not None:
        connection.execute(
            "UPDATE profiles SET name = ?, document = ? WHERE id = ?", (name, document, row["id"])
        )
    identity = row["id"] if row is not None else short_id()
    if row is None:
        connection.execute(
            "INSERT INTO profiles (id, name, name_key, document, created_at) VALUES (?,?,?,?,?)",
            (identity, name, name.casefold(), document, now_ms()),
        )
    return Profile.read(name, identity, profile.as_document()), row is not None


def pick(profiles: Sequence[Profile], name: str) -> Profile:
    """See `Profiles.find`."""
    profile = find_named(profiles, " ".join(name.split()))
    if profile is None:
        raise missing(
            "PROFILE_NOT_FOUND",
            f"There is no profile {name!r}.",
            "`lunalux profile list` shows them all.",
            name,
            [profile.name for profile in profiles],
        )
    return profile


def _profile(row: Row) -> Profile:
    return Profile.read(row["name"], row["id"], object_in(row["document"]))
