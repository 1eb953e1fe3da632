"""``cx journeys``: maps drawn, drafted, and taken to other tools and back; one module a command."""

import typer

from cx_orchestration.commands.journeys.draft import draft
from cx_orchestration.commands.journeys.draw import draw
from cx_orchestration.commands.journeys.exchange import export, import_
from cx_orchestration.commands.journeys.log import log

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.command()(draft)
app.command()(draw)
app.command()(export)
app.command("import")(import_)
app.command()(log)


@app.callback()
def journeys() -> None:
    """Journey maps: draft one from the data, draw it with its customers, take maps and journeys to other tools."""
