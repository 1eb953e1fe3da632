"""A demo company as a child process: its services over HTTP, its project folder and its truth, under one folder."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from cx_orchestration.commands.processes import python, running, wait_for_file
from cx_orchestration.demo.company import SEED
from cx_orchestration.model.failures import PermanentFailure

# SQLite locks under concurrent runs, so one runs at a time.
_DAGSTER_YAML = """\
telemetry: {enabled: false}
nux: {enabled: false}
concurrency: {pools: {default_limit: 1}, runs: {max_concurrent_runs: 1}}
"""

_WORKSPACE_YAML = """\
load_from:
  - python_module:
      module_name: cx_orchestration.definitions
      location_name: cx_orchestration
"""


@dataclass(frozen=True)
class DemoCompany:
    """What makes one demo company: the same numbers, the same company."""

    customers: int = 5_000
    days: int = 90
    seed: int = SEED
    null: bool = False

    @property
    def is_judged(self) -> bool:
        """Whether there are people and days enough for every planted finding to show: the default size or more."""
        return self.customers >= DemoCompany.customers and self.days >= DemoCompany.days


@dataclass(frozen=True)
class DemoFolder:
    """Where one demo company keeps everything."""

    root: Path

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def lake(self) -> Path:
        return self.project / "lake"

    @property
    def truth(self) -> Path:
        return self.root / "truth"

    @property
    def dagster_home(self) -> Path:
        return self.root / "dagster_home"

    @property
    def workspace(self) -> Path:
        return self.root / "workspace.yaml"

    @property
    def log(self) -> Path:
        return self.root / "services.log"

    def start_anew(self, company: DemoCompany) -> None:
        """Empty the folder, if it is one of ours, and make it this company's. Raises ``PermanentFailure`` if not."""
        if self.root.exists() and any(self.root.iterdir()) and not self._marker.exists():
            raise PermanentFailure(f"{self.root} is not empty and no demo folder: choose another with --dir")
        shutil.rmtree(self.root, ignore_errors=True)
        self.dagster_home.mkdir(parents=True)
        self._marker.write_bytes(orjson.dumps(company))
        (self.dagster_home / "dagster.yaml").write_text(_DAGSTER_YAML, encoding="utf-8")
        self.workspace.write_text(_WORKSPACE_YAML, encoding="utf-8")

    def company(self) -> DemoCompany | None:
        """The company whose folder this is, or ``None`` while it is nobody's."""
        return DemoCompany(**orjson.loads(self._marker.read_bytes())) if self._marker.exists() else None

    @property
    def _marker(self) -> Path:
        """Marks a folder as ours, so that only such a folder is ever emptied."""
        return self.root / ".cx-demo.json"

    def environment(self) -> dict[str, str]:
        """What processes that work on this company need besides the services' addresses."""
        return {
            "CX_PROJECT": str(self.project),
            "DAGSTER_HOME": str(self.dagster_home),
        }


@contextmanager
def serving(folder: DemoFolder, company: DemoCompany) -> Iterator[int]:
    """The company's services, reachable through this process's environment while the block runs; gives their pid."""
    ready = folder.root / "services.json"
    ready.unlink(missing_ok=True)
    command = python(
        "cx_orchestration.demo.serve",
        *("--customers", str(company.customers), "--days", str(company.days), "--seed", str(company.seed)),
        *("--project", str(folder.project), "--truth", str(folder.truth), "--ready", str(ready)),
        *(["--null"] if company.null else []),
    )
    with running(command, log=folder.log) as process:
        os.environ.update(wait_for_file(ready, process, folder.log))
        os.environ.update(folder.environment())
        yield process.pid
