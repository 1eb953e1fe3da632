"""How messages count, how errors about what people wrote repeat it, and what they suggest in its place.

Belongs here: words that several packages say alike. Does not belong here: what may not be repeated (``project``).
"""

from collections.abc import Iterable
from difflib import get_close_matches

#: How much of a text is looked at; only its beginning is ever shown.
READ = 200


def closest(word: object, known: Iterable[str]) -> str | None:
    """The known word that somebody who wrote another one probably meant."""
    return next(iter(get_close_matches(str(word)[:READ], list(known), n=1, cutoff=0.6)), None)


def suggestion(word: object, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` when a known word is close, else nothing."""
    meant = closest(word, known)
    return f"; did you mean '{meant}'?" if meant else ""


def counted(number: int, noun: str) -> str:
    """``1 record``, ``2 records``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def quoted(text: str) -> str:
    """What somebody wrote, in quotes and on one short line."""
    return shortened(repr(text[:READ]), 60)


def shortened(text: str, length: int) -> str:
    """The text, cut to a length; line ends and control characters become spaces."""
    line = "".join(character if character.isprintable() else " " for character in text[: length + 1])
    return line if len(line) <= length else line[: length - 1] + "…"
