"""STscript: the small language of quick replies, in a room of its own.

`parser` reads a text into closures and commands, `interpreter` runs them, `commands` says what each command
does, and `host` is all that a script can reach of the app. Nothing here touches files or the network, and
every script is bounded in steps, time, nesting and output (`run_limits.Limits`).
"""
