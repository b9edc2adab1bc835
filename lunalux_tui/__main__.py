"""`lunalux`: the app on a terminal, the commands otherwise.

Kept almost empty: `--version` must not pay for anything, and the app must not pay for the command line.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script; ends the process with the documented exit codes."""
    arguments = sys.argv[1:]
    whole = None not in (sys.stdin, sys.stdout, sys.stderr)  # each may have been closed by who started us
    if arguments in (["--version"], ["-V"]) and whole:
        from lunalux_core import __version__

        try:
            sys.stdout.write(f"lunalux {__version__}\n")
            sys.stdout.flush()
            return
        except OSError:
            pass  # told by the command line
    if not arguments and whole and sys.stdin.isatty() and sys.stdout.isatty():
        from lunalux_tui.app.start import run

        sys.exit(run())
    from lunalux_tui.cli import run_cli

    sys.exit(run_cli(arguments))


if __name__ == "__main__":
    main()
