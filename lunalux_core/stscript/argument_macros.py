"""Macros in the arguments of scripts: those of cards, and those that only scripts have."""

from __future__ import annotations

import re

from lunalux_core.macros.builtins import TRIM
from lunalux_core.macros.context import MacroContext
from lunalux_core.macros.evaluation import ExpansionRun
from lunalux_core.macros.macro_registry import Builtin, Call
from lunalux_core.stscript.closure import Closure
from lunalux_core.stscript.faults import Fault
from lunalux_core.stscript.scope import Scope, Stores
from lunalux_core.stscript.script_values import UNDEFINED, to_text

_AROUND_TRIM = re.compile(rf"(?:\r?\n)*{TRIM}(?:\r?\n)*")
ARGUMENT = "arg::"
"""Before the names of the macros that are a quick reply's arguments, ``{{arg::name}}``."""
_SIGNS = re.compile(r"[{<\\]")


class _ScriptRun(ExpansionRun):
    """One expansion that also knows ``{{pipe}}``, ``{{var::name}}`` and the macros of loops."""

    def __init__(self, context: MacroContext, variables: Stores, scope: Scope) -> None:
        super().__init__(context, variables)
        self._scope = scope
        self._own = {name: _value(value) for name, value in scope.all_macros().items()}
        # Only inside a quick reply that was called; elsewhere {{arg::…}} is an unknown macro.
        if any(name.startswith(ARGUMENT) for name in self._own):
            self._own["arg"] = Builtin(1, 1, self._argument)
        self._own["pipe"] = Builtin(0, 0, lambda _: as_inserted(scope.pipe))
        self._own["var"] = Builtin(1, 2, self._variable)

    def definition(self, name: str) -> Builtin | None:
        return self._own.get(name) or super().definition(name)

    def _argument(self, call: Call) -> str | None:
        """An argument that was not given is what /qr-arg says of all (``*``), else empty."""
        own = self._own
        argument = own.get(f"{ARGUMENT}{call.arguments[0].lower()}") or own.get(f"{ARGUMENT}*")
        return argument.run(call) if argument is not None else ""

    def _variable(self, call: Call) -> str:
        """A missing variable is empty here, where /var is an error."""
        name, *index = call.arguments
        try:
            return as_inserted(self._scope.get(name, index[0] if index else UNDEFINED))
        except Fault:
            return ""


def _value(value: str) -> Builtin:
    return Builtin(0, None, lambda _: value)


def as_inserted(value: object) -> str:
    """A value in the middle of a text."""
    return str(value) if isinstance(value, Closure) else "" if value is None else to_text(value)


def expand(text: str, context: MacroContext, variables: Stores, scope: Scope) -> str:
    """The text with its macros replaced, and with ``\\{`` and ``\\}`` as braces."""
    if not _SIGNS.search(text):
        return text
    expanded = _ScriptRun(context, variables, scope).document(text, depth=0)
    return unescaped(_AROUND_TRIM.sub("", expanded) if TRIM in expanded else expanded)


def unescaped(text: str) -> str:
    return text.replace("\\{", "{").replace("\\}", "}") if "\\" in text else text
