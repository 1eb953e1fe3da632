"""What a reader of the lake gets: the live files of one table at one version."""

from dataclasses import dataclass

from cx_orchestration.model.tables import Table


@dataclass(frozen=True)
class Scan:
    """The live files of a table, or of a slice of it, at one version; without files it reads as an empty table."""

    table: Table
    files: tuple[str, ...]
