"""``cx identity``: who is who, why, and how right that is; one module a command."""

import typer

from cx_orchestration.commands.identity.decide import decide
from cx_orchestration.commands.identity.evaluate import evaluate
from cx_orchestration.commands.identity.explain import explain, why_not
from cx_orchestration.commands.identity.publish import publish
from cx_orchestration.commands.identity.review import review
from cx_orchestration.commands.identity.train import train

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.command()(decide)
app.command()(evaluate)
app.command()(explain)
app.command("why-not")(why_not)
app.command()(publish)
app.command()(review)
app.command()(train)


@app.callback()
def identity() -> None:
    """Who is who: judge it by labels, explain it, decide it."""
