"""Exceptions that nobody foresaw, told without the values they carry.

Belongs here: what may be kept of such an exception. Does not belong here: failures that we foresee (``failures.py``).
Python puts values into messages (``KeyError: 'ada@example.com'``), and so do the libraries: in a system that is full of
people's data and credentials a message nobody has read before cannot be kept.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cx_orchestration.model.failures import Failure, PermanentFailure


class Bug(PermanentFailure):
    """An unexpected exception: its type and place in the text; in ``trace`` the way there as lines of code.

    Neither has the exception's message, nor that of any exception before it, nor the value of a variable.
    """

    def __init__(self, error: Exception) -> None:
        self.trace = "\n".join(_told(each) for each in reversed(_with_causes(error)))
        super().__init__(
            f"an unexpected error, {_type(error)}{_place(error)}: a bug, or something that nobody foresaw. "
            "Its message is withheld, as it may hold a customer's data; the trace has the way there"
        )


@contextmanager
def bugs_as_failures() -> Iterator[None]:
    """Turn whatever is raised in the block, and is no failure of ours, into a ``Bug``."""
    try:
        yield
    except Failure:
        raise
    except Exception as error:  # noqa: BLE001  # the one place for what nobody foresaw
        raise Bug(error) from None


def _with_causes(error: BaseException) -> list[BaseException]:
    """The exception and those that led to it, each once."""
    found: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in found:
        found.append(each)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return found


def _told(error: BaseException) -> str:
    return "".join(traceback.format_tb(error.__traceback__)) + _type(error)


def _type(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _place(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    ours = [frame for frame in frames if "cx_orchestration" in Path(frame.filename).parts] or frames
    if not ours:
        return ""
    last = ours[-1]
    return f" in {last.name} ({Path(last.filename).name}:{last.lineno})"
