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
