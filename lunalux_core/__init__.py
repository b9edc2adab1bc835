"""Everything of Lunalux that needs no terminal: library, dialogue workflow, models, client, backend.

Import submodules directly; this package stays empty so that a command pays only for what it uses.
"""

__version__ = "0.1.0"
