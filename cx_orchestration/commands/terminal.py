"""The terminal that commands print to."""

import sys

from rich.console import Console

_WIDTH_OF_A_FILE = 120


def terminal() -> Console:
    """Standard output; where that is no terminal, tables are as wide as a log can show."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)
