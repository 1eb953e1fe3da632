"""``cx identity decide``: a decision on a pair, written into the project folder."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cx_orchestration.commands.options import LakeFolder, ProjectFolder
from cx_orchestration.identity.record_names import refuse_unknown_records
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.identity_overrides import Override, Verdict
from cx_orchestration.project import CXProject
from cx_orchestration.project.overrides_file import add_override
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

_RECORD = "expected a record as SERVICE/ENTITY, such as crm/C-17"
_EXPECTED = {
    "left": f"LEFT: {_RECORD}",
    "right": f"RIGHT: {_RECORD}",
    "by": "--by is empty; expected the role of who decides, such as 'data steward'",
    "why": "--why is empty; expected what is known",
}


def decide(
    left: Annotated[str, typer.Argument(metavar="LEFT", help="SERVICE/ENTITY of one of the two", show_default=False)],
    right: Annotated[str, typer.Argument(metavar="RIGHT", help="SERVICE/ENTITY of the other", show_default=False)],
    decision: Annotated[
        Verdict, typer.Argument(metavar="always|never", help="One person, or never one", show_default=False)
    ],
    why: Annotated[str, typer.Option(help="What is known; it is kept in the ledger, so no customer's values")],
    by: Annotated[str, typer.Option(metavar="ROLE", help="The role of who decides, such as 'data steward'")],
    project: ProjectFolder = Path(),
    lake: LakeFolder = None,
) -> None:
    """Decide a pair: adds an entry to identity_overrides.yaml, which the next run of identity follows.

    The entry taken out of the file again takes the decision back. Records that the identity map lacks are refused.
    """
    loaded = CXProject.load(project)
    now = dt.datetime.now(dt.UTC)
    today = now.astimezone(loaded.zone).date()
    try:
        override = Override(left=left, right=right, decision=decision, by=by.strip(), on=today, why=why.strip())
    except ValidationError as error:
        wrong = [str(detail["loc"][0]) for detail in error.errors(include_input=False, include_url=False)]
        raise PermanentFailure("; ".join(_EXPECTED[name] for name in wrong)) from None
    refuse_unknown_records(Lake(lake or loaded.lake_root), Engine(), (override.left, override.right))
    file = add_override(loaded, override, now)
    typer.echo(f"Wrote it to {file}; the next run of identity/links and identity/identity_map follows it.")
