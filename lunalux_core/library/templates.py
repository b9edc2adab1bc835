"""Templates for text completion as the library keeps them: each part by itself, with the file it came in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lunalux_core.database import Connection, Database, Row
from lunalux_core.ids import now_ms, short_id
from lunalux_core.library.name_lookup import find_named, missing

if TYPE_CHECKING:
    from lunalux_core.templates.template_files import TemplateDocument
    from lunalux_core.templates.template_values import TemplateKind


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """One template. `bundle` is the master file whose part it is, "" for one that came alone."""

    id: str
    kind: TemplateKind
    name: str
    bundle: str
    document: Mapping[str, Any]


class Templates:
    """All templates of the library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[StoredTemplate]:
        """In the order in which they came."""
        return await self._database.read(load_templates)

    async def find(self, name: str, kind: TemplateKind | None = None) -> Sequence[StoredTemplate]:
        """Those of that id or name (any case), else those whose name alone begins so or has that word.

        Several have one name where they are of different kinds, or came in one master file.

        Raises:
            NotFound: TEMPLATE_NOT_FOUND, with the nearest names.
        """
        stored = [template for template in await self.list() if kind is None or template.kind == kind]
        return named_like(stored, name)

    async def add(self, template: TemplateDocument) -> tuple[StoredTemplate, bool]:
        """Store a template; the one that is there with the same content, and False, if there is one."""
        return await self._database.write(lambda c: put_template(c, template))

    async def delete(self, template_id: str) -> None:
        await self._database.write(lambda c: c.execute("DELETE FROM templates WHERE id = ?", (template_id,)))


def named_like(stored: Sequence[StoredTemplate], name: str) -> Sequence[StoredTemplate]:
    """See `Templates.find`."""
    # An id means one; a name may mean all parts of a master file.
    by_id = [template for template in stored if template.id == name]
    if by_id:
        return by_id
    key = name.strip().casefold()
    exact = [template for template in stored if key in (template.name.casefold(), template.bundle.casefold())]
    # Templates that came alone have an empty bundle, so an empty name would be that of all of them.
    if exact and key:
        return exact
    single = find_named(stored, key, alike=True)
    if single is not None:
        return [template for template in stored if template.name.casefold() == single.name.casefold()]
    raise missing(
        "TEMPLATE_NOT_FOUND",
        f"There is no template {name!r} in the library.",
        "`lunalux template list` shows them all.",
        name,
        [template.name for template in stored],
    )


def load_templates(connection: Connection) -> Sequence[StoredTemplate]:
    return [_stored(row) for row in connection.execute("SELECT * FROM templates ORDER BY number")]


def put_template(
    connection: Connection, template: TemplateDocument, *, copy: bool = False
) -> tuple[StoredTemplate, bool]:
    """`Templates.add` within a transaction. `copy` stores it in any case."""
    from lunalux_core.documents.json_text import canonical_json

    content = canonical_json(template.document)
    rows = connection.execute(
        "SELECT * FROM templates WHERE kind = ? AND name_key = ? AND bundle = ?",
        (template.kind, template.name.casefold(), template.bundle),
    )
    for row in () if copy else rows:
        stored = _stored(row)
        if canonical_json(stored.document) == content:
            return stored, False
    identity = short_id()
    connection.execute(
        "INSERT INTO templates (id, kind, name, name_key, bundle, document, created_at) "
        "VALUES (?,?,?,?,?,?,?)",
        (
            identity,
            template.kind,
            template.name,
            template.name.casefold(),
            template.bundle,
            json.dumps(template.document, ensure_ascii=False),
            now_ms(),
        ),
    )
    return StoredTemplate(identity, template.kind, template.name, template.bundle, template.document), True


def _stored(row: Row) -> StoredTemplate:
    return StoredTemplate(row["id"], row["kind"], row["name"], row["bundle"], json.loads(row["document"]))
