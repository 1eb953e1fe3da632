"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

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
