"""The two families of failure, and the errors of a project folder.

Retry policies, the command line and the sensors look only at the family: a ``TransientFailure`` is worth
another attempt, a ``PermanentFailure`` needs a person. Messages never carry URLs with parameters, bodies or
credentials.
"""

from dataclasses import dataclass


class Failure(Exception):
    """Something the on-call engineer has to know about; its text says what to do."""


class PermanentFailure(Failure):
    """Trying again gives the same failure: wrong credentials, wrong shape, wrong declaration."""


class TransientFailure(Failure):
    """Trying again later may succeed: refused connections, rate limits, server errors.

    ``retry_after`` is in seconds, when the service said how long to wait.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


#: The key under which a failed step says of which family its failure is.
FAMILY = "failure_family"


@dataclass(frozen=True)
class ProjectError:
    """One thing wrong in a project folder.

    ``path`` is the way to the value (``streams.charges.record_id``, ``row 7, Business Impact``). ``line`` counts
    from 1, where the file has lines that a person edits.
    """

    file: str
    path: str
    value: str
    expected: str
    line: int | None = None

    def __str__(self) -> str:
        file = f"{self.file}:{self.line}" if self.line else self.file
        where = f"{file}: {self.path}" if self.path else file
        found = f" (found {self.value})" if self.value else ""
        return f"{where}: {self.expected}{found}"


class InvalidProject(PermanentFailure):
    """A project folder that cannot be used; ``errors`` has everything that is wrong with it."""

    def __init__(self, folder: str, errors: list[ProjectError]) -> None:
        self.errors = errors
        noun = "error" if len(errors) == 1 else "errors"
        super().__init__(f"{folder} has {len(errors)} {noun}:\n" + "\n".join(f"  {error}" for error in errors))
