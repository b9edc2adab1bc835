"""Where a script of the person's runs: the names and texts of a chat, and the variables of its branch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lunalux_core.dialogue.turn import TurnOptions
from lunalux_core.library.conversations import load_conversation, load_message, update_message
from lunalux_core.library.program_state import load_globals, store_globals
from lunalux_core.library.turns import branch_state

if TYPE_CHECKING:
    from lunalux_core.chat.previews import TurnPreviews
    from lunalux_core.database import Connection
    from lunalux_core.library import Library
    from lunalux_core.stscript.interpreter import Setting


async def script_setting(previews: TurnPreviews, conversation_id: str, options: TurnOptions) -> Setting:
    """What a script sees that is run in a conversation now."""
    from lunalux_core.dialogue.nodes.macro_context import macro_context
    from lunalux_core.stscript.interpreter import Setting

    turn = await previews.turn(conversation_id, "", options)
    variables = turn.variables()
    return Setting(macro_context(turn, ""), variables.local.all(), variables.global_.all())


async def keep_variables(
    library: Library,
    conversation_id: str,
    local: Mapping[str, str | None],
    global_: Mapping[str, str | None],
    *,
    anew: bool = False,
) -> None:
    """Keep what a script changed: with the last message of the branch, and for all chats. None deletes;
    `anew` keeps these variables of the branch and no others."""
    if not local and not global_:
        return

    def change(connection: Connection) -> None:
        if global_:
            store_globals(connection, _changed(load_globals(connection), global_))
        head_id = load_conversation(connection, conversation_id).head_id
        if not local or not head_id:
            return
        # A message's state hides those above it, so all that the branch has goes along with the change.
        state = branch_state(connection, load_message(connection, head_id))
        variables = _changed({} if anew else state.get("variables", {}), local)
        update_message(connection, head_id, state={**state, "variables": variables})

    await library.database.write(change)


def _changed(variables: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    new = {**variables, **changes}
    return {name: value for name, value in new.items() if value is not None}
