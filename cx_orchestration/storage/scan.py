"""What a reader of the lake gets: the live files of one table at one version."""

from dataclasses import dataclass

import pyarrow as pa

from cx_orchestration.model.tables import Table


@dataclass(frozen=True)
class Scan:
    """The live files of a table, or of a slice of it, at one version.

    ``schema`` has all columns of the table: a file that was written before one of them came reads as null there.
    """

    table: Table
    files: tuple[str, ...]
    schema: pa.Schema

    @property
    def root(self) -> str:
        """The table's folder, "" when it has no files."""
        return self.files[0].rsplit("/", 1 + len(self.table.partition_by))[0] if self.files else ""

    @property
    def lake(self) -> str:
        """The folder of the lake that the files lie in, "" when there are none."""
        return self.root.removesuffix(f"/{self.table.path}")
