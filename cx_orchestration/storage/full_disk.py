"""A disk that takes no more: what is said about it, wherever it is met.

Belongs here: how the errors of Python, Delta and the system are recognised, and the words. Does not belong here: what
is undone.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cx_orchestration.model.failures import PermanentFailure

_NUMBERS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

# Delta's errors come from Rust, as text alone.
_SAID = re.compile(rf"os error ({'|'.join(map(str, sorted(_NUMBERS)))})\)")


@contextmanager
def writing(what: str, folder: Path) -> Iterator[None]:
    """Turn an error of the disk in the block into a ``PermanentFailure`` that names what was written and where."""
    try:
        yield
    except OSError as error:
        raise write_failure(what, folder, error) from None


def write_failure(what: str, folder: Path, error: OSError) -> PermanentFailure:
    """The failure for an error of the disk that holds ``folder``."""
    if error.errno in _NUMBERS or _SAID.search(str(error)):
        place = _existing(folder)
        free = shutil.disk_usage(place).free
        return PermanentFailure(
            f"{what}: the disk of {place} is full ({free / 2**20:.0f} MiB free); what did not fit changed nothing. "
            "Make room, then rerun"
        )
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return PermanentFailure(f"{what}: {_existing(folder)} cannot be written: {reason}")


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())
