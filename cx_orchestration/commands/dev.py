"""``cx dev``: the Dagster UI on the demo company, its services running beside it; Ctrl-C stops all."""

import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from cx_orchestration.commands.company import DemoCompany, DemoFolder, serving
from cx_orchestration.commands.processes import running
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.model.failures import TransientFailure


def dev(
    port: Annotated[int, typer.Option(help="Port of the UI; 0 takes a free one")] = 3000,
    directory: Annotated[Path, typer.Option("--dir", help="Where the company is kept")] = Path(".run/demo"),
) -> None:
    """Open the Dagster UI on the demo company, with its services running, until Ctrl-C.

    What an earlier 'cx demo' of the same folder materialized is shown; otherwise everything waits to be.
    """
    console = terminal()
    folder = DemoFolder(directory.resolve())
    company = folder.company()
    if company is None:
        company = DemoCompany()
        folder.start_anew(company)
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    chosen = port or _free_port()
    log = folder.root / "dagster.log"
    command = [str(Path(sys.executable).with_name("dagster")), "dev", "-w", str(folder.workspace)]
    with (
        serving(folder, company),
        running([*command, "-h", "127.0.0.1", "-p", str(chosen)], log=log) as ui,
    ):
        console.print(f"Dagster UI: http://127.0.0.1:{chosen}  (Ctrl-C stops it and the services; log: {log})")
        while not stop.wait(0.5):
            if ui.poll() is not None:
                raise TransientFailure(f"the Dagster UI ended with {ui.returncode}; see {log}")
    console.print("Stopped.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
