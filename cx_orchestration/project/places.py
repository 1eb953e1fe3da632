"""Where a project's lake and registry are.

Belongs here: what ``stores`` of project.yaml means. Does not belong here: opening them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.settings import Stores
from cx_orchestration.project.environment import with_environment


@dataclass(frozen=True)
class Places:
    """The stores of the project in ``folder``, an absolute path; ``environ`` has the variables that may name them."""

    folder: Path
    stores: Stores
    environ: Mapping[str, str]

    @property
    def lake_root(self) -> Path:
        """The folder of the lake. Raises ``PermanentFailure`` when a variable that names it is not set."""
        where = f"{self.folder / 'project.yaml'}: stores.lake"
        return self.folder / with_environment(self.stores.lake, self.environ, where=where)

    @property
    def results_url(self) -> str:
        """The URL of the database of results; it may hold a password. Raises ``PermanentFailure`` when project.yaml
        names none, or a variable that names it is not set."""
        where = f"{self.folder / 'project.yaml'}: stores.results"
        if self.stores.results is None:
            raise PermanentFailure(f"{where} names no database; results are in the lake alone")
        return with_environment(self.stores.results, self.environ, where=where)

    def registry_url(self, lake_root: Path | str | None = None) -> str:
        """The SQLAlchemy URL of the registry; it may hold a password. Raises ``PermanentFailure`` likewise.

        What happened to a lake's partitions belongs to that lake: when project.yaml names no registry of its own (none
        at all, or the default) and the lake is another than the project's, the registry lies in the lake's folder.
        """
        elsewhere = lake_root is not None and Path(lake_root).resolve() != self.lake_root.resolve()
        if elsewhere and self.stores.registry == Stores().registry:
            return f"sqlite:///{Path(str(lake_root)).resolve() / 'registry.db'}"
        where = f"{self.folder / 'project.yaml'}: stores.registry"
        url = with_environment(self.stores.registry, self.environ, where=where)
        scheme, slashes, file = url.partition(":///")
        if (
            scheme.split("+")[0] == "sqlite"
            and slashes
            and file
            and file != ":memory:"
            and not file.startswith("file:")
        ):
            return f"{scheme}:///{self.folder / file}"
        return url
