"""Child processes that a command starts and ends: with default signals, in the order they need, none left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from cx_orchestration.model.failures import TransientFailure

_START_SECONDS = 120
_STOP_SECONDS = 20


@contextmanager
def running(
    command: Sequence[str], *, env: dict[str, str] | None = None, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own whose output goes to ``log``; it is ended when the block is left."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # our own commands only
            list(command),
            env={**os.environ, **(env or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_default_signals,
        )
        try:
            yield process
        finally:
            _stop(process)


def wait_for_file(path: Path, process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    """What a process wrote, as JSON, when it was ready. Raises ``TransientFailure`` if it ends or takes too long."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise TransientFailure(f"a process ended with {process.returncode} before it was ready; see {log}")
        if path.exists():
            ready: dict[str, str] = orjson.loads(path.read_bytes())
            return ready
        time.sleep(0.05)
    raise TransientFailure(f"a process was not ready after {_START_SECONDS} seconds; see {log}")


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def _default_signals() -> None:
    """Shells start background jobs with SIGINT ignored, and children inherit that: they could not be stopped."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
