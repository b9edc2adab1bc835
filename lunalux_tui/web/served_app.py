"""The app as the child of the web server, which is its terminal: `python -m lunalux_tui.web.served_app`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from lunalux_tui.app.start import run

    sys.exit(run())
