"""The terminal that commands print to."""

import re
import sys

from rich.console import Console

_WIDTH_OF_A_FILE = 120
#: Of a value that somebody typed as much is shown.
_LONGEST = 200
#: Controls could move the cursor or colour the terminal, and some format characters turn around what follows.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def terminal() -> Console:
    """Standard output; where that is no terminal, tables are as wide as a log can show."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)


def harmless(text: str) -> str:
    """Text with values that anybody may have typed: what would steer the terminal, but for new lines, as escapes."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def shown(value: str) -> str:
    """A value of a record in one line: no more than its beginning, and harmless."""
    start = value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
    return harmless(start.replace("\n", "\\n"))
