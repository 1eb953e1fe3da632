"""Options that several commands take, and what a file that they write must be."""

from pathlib import Path
from typing import Annotated

import typer

from cx_orchestration.model.failures import PermanentFailure

#: Where the project lies; Dagster's code location takes the same variable.
ProjectFolder = Annotated[
    Path,
    typer.Option(
        envvar="CX_PROJECT", metavar="DIR", help="The project folder; by default the current one.", show_default=False
    ),
]
LakeFolder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="A lake folder in place of the project's.", show_default=False)
]
#: For commands that only read: a lake that is named must be there.
LakeToRead = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="A lake folder in place of the project's.",
        exists=True,
        file_okay=False,
        show_default=False,
    ),
]


def refuse_unwritable(file: Path, *endings: str) -> None:
    """Raises ``PermanentFailure`` for a file of another ending, or in a folder that is not there."""
    if file.suffix not in endings:
        *others, last = endings
        raise PermanentFailure(f"{file}: expected a name that ends in {', '.join(others)}{' or ' * bool(others)}{last}")
    if not file.parent.is_dir():
        raise PermanentFailure(f"{file}: there is no folder {file.parent}; make it first")
