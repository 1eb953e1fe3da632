"""The ``cx`` command: the few things that are not Dagster's own command line.

Belongs here: which commands there are, and how a failure is told. Does not belong here: what a command does; each is
a function, or a Typer app with commands of its own, in ``commands``.
"""

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from cx_orchestration.model.failures import Failure


class _Command(NamedTuple):
    """Where a command is, and the first line of its help. Its module is imported only when the command is used."""

    module: str
    name: str
    help: str

    def load(self) -> TyperCommand | TyperGroup:
        found = getattr(import_module(f"cx_orchestration.commands.{self.module}"), self.name)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False)
            alone.command()(found)
            found = alone
        command = typer.main.get_command(found)
        if not isinstance(command, TyperCommand | TyperGroup):
            raise TypeError(f"{self.module}.{self.name} is no command")
        return command


COMMANDS = {
    "init": _Command("project_folder", "init", "Write a small commented project to start from."),
    "check": _Command("project_folder", "check", "Check a project folder: every error by file and line, or a summary."),
    "services": _Command("services", "services", "List the ready-made services that a project's file can extend."),
    "run": _Command("run", "run", "Materialize a project in this process, failed partitions reported at the end."),
    "failed": _Command("failed", "failed", "List failed partitions, why they failed, and how to rerun them."),
    "alert-test": _Command("alert_test", "alert_test", "Send a test message to everybody who is told of failures."),
    "probe": _Command("probe", "probe", "Try what a service's declaration says: credentials, filter, bounds, pages."),
    "loadtest": _Command("loadtest", "loadtest", "Replay a service's busy season through the pipeline: is it fit?"),
    "identity": _Command("identity", "app", "Who is who: judge it by labels, explain it, decide it."),
    "journeys": _Command("journeys", "app", "Journey maps: draft, draw, take to other tools and back."),
    "picture": _Command("picture", "picture", "Write the picture of a table of paths or findings as an SVG."),
    "demo": _Command("demo", "demo", "Run the main job on a demo company and compare the result with the truth."),
    "dev": _Command("dev", "dev", "Open the Dagster UI on the demo company, with its services running."),
    "prune": _Command("prune", "prune", "Delete old runs that nothing rests on, and files that killed writes left."),
    "erase": _Command("erase", "erase", "Remove persons for good, and keep them from coming back."),
    "erasures": _Command("erasures", "erasures", "List erasures, and which services must still be told."),
    "export-person": _Command(
        "export_person", "export_person", "Write everything there is about one person to a file."
    ),
    "schema": _Command("project_folder", "schema", "Write the JSON Schemas of the YAML files, or check them."),
}


class _Commands(TyperGroup):
    """Lists commands without importing them, and tells failures of ours in one line and exit code 1.

    Anything else that goes wrong is a bug, and shows where it happened. The type of contexts is private to typer.
    """

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:  # noqa: ARG002
        listed = COMMANDS.get(cmd_name)
        return TyperCommand(cmd_name, help=listed.help) if listed else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in COMMANDS:
            return args[0], COMMANDS[args[0]].load(), args[1:]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Failure as failure:
            typer.echo(f"error: {failure}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo("interrupted: what was committed stays; the same command does the rest", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    # A trace with the values of variables would show customers' data and credentials.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="A project folder declares the company; 'cx init' writes one to start from.",
)


@app.callback()
def cx() -> None:
    """From what each tool knows of a customer to one continuous journey per customer."""
