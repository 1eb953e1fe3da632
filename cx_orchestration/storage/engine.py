"""The engine: runs one SQL text over scans of the lake and Arrow tables, and returns Arrow.

Belongs here: how SQL is executed. Does not belong here: any SQL that knows what a table means; that lies in ``.sql``
files beside the domain module that names its inputs.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.damage import damaged
from cx_orchestration.storage.scan import Scan

#: What a SQL text may name: a scan of the lake, or a small table in memory.
Input: TypeAlias = Scan | pa.Table


def sql_text(package: str, name: str) -> str:
    """The text of the ``.sql`` file that lies in a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


class Engine:
    """DuckDB in memory over the lake's Parquet files: every query has a connection of its own, so nothing leaks.

    ``memory_limit`` (``2GB``) bounds what is held in memory; beyond it DuckDB spills to ``temp_directory``.
    """

    def __init__(self, *, memory_limit: str | None = None, temp_directory: str | None = None) -> None:
        self._config: dict[str, str | bool | int | float | list[str]] = {
            key: value
            for key, value in (("memory_limit", memory_limit), ("temp_directory", temp_directory))
            if value is not None
        }

    def query(
        self,
        sql: str,
        inputs: Mapping[str, Input] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        threads: int | None = None,
    ) -> pa.Table:
        """The result of one SELECT whose tables are the names in ``inputs``; ``$name`` is taken from ``params``.

        ``threads`` bounds those that work on it; without it there is one a processor.
        Parameters that the text does not use are ignored; it may call the functions of ``functions.sql``. It cannot
        reach any file but the scans'.
        Raises ``PermanentFailure`` when memory and the disk that it spills to are too small, or a file is damaged.
        """
        with self.session(inputs, threads=threads) as session:
            return session.query(sql, params)

    @contextmanager
    def session(self, inputs: Mapping[str, Input] | None = None, *, threads: int | None = None) -> Iterator["Session"]:
        """Several queries over the same inputs on one connection, which costs as much CPU as a small query does."""
        with self.connect(inputs) as connection:
            if threads is not None:
                connection.execute(f"SET threads = {threads}")
            yield Session(connection)

    @contextmanager
    def connect(self, inputs: Mapping[str, Input] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for work in several steps, such as a library's, with the same bounds as a query's.

        The names in ``inputs`` are its views; what it creates is gone when it closes. No file but the scans' can be
        read.
        """
        scans = [source for source in (inputs or {}).values() if isinstance(source, Scan)]
        with self._within_its_means(), _naming_damage(scans), duckdb.connect(config=self._config) as connection:
            _prepare(connection, inputs or {})
            yield connection

    @contextmanager
    def _within_its_means(self) -> Iterator[None]:
        try:
            yield
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            folder = str(self._config.get("temp_directory", ".tmp"))
            if isinstance(error, duckdb.IOException) and folder not in str(error):
                raise
            memory = self._config.get("memory_limit", "most of the machine's")
            raise PermanentFailure(
                f"a query needs more than its memory ({memory}) and the disk of {folder}, where it spills to, have; "
                "it gave no result. Make room there, or raise the engine's memory_limit, then rerun"
            ) from None


@contextmanager
def _naming_damage(scans: Collection[Scan]) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        if (failure := damaged(error, scans)) is None:
            raise
        raise failure from None


class Session:
    """An open connection of an ``Engine``: its inputs, and the tables that were kept since."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """The result of one SELECT, as ``Engine.query`` gives it."""
        if used := _used(sql, params):
            return self._connection.execute(sql, used).to_arrow_table()
        # The same result, collected by all threads: ``execute`` hands it over piece by piece to this one, which
        # polls for it without pause, half a CPU-second for each one that the threads work.
        return self._connection.sql(sql).to_arrow_table()

    def make(self, name: str, sql: str, params: Mapping[str, Any] | None = None) -> int:
        """Keep the result of a SELECT for later queries under a name that is free, or was made before; returns its
        rows. It stays with DuckDB, which spills what its memory does not hold."""
        made = self._connection.execute(f'CREATE OR REPLACE TABLE "{name}" AS {sql}', _used(sql, params))
        return sum(count for (count,) in made.fetchall())

    def keep(self, name: str, rows: pa.Table) -> pa.Table:
        """Let later queries read ``rows`` under a name that is free, or was kept before."""
        self._connection.register(name, rows)
        return rows


def _used(sql: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (params or {}).items() if re.search(rf"\${name}\b", sql)}


def _prepare(connection: duckdb.DuckDBPyConnection, inputs: Mapping[str, Input]) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(sql_text(__package__, "functions.sql"))
    for name, source in inputs.items():
        if isinstance(source, Scan):
            _make_view(connection, name, source)
        else:
            connection.register(name, source)
    scanned = [file for source in inputs.values() if isinstance(source, Scan) for file in source.files]
    connection.execute("SET allowed_paths = $paths", {"paths": scanned})
    connection.execute("SET enable_external_access = false")


def _make_view(connection: duckdb.DuckDBPyConnection, name: str, scan: Scan) -> None:
    # The table without rows brings the columns, in their order, that came after a file was written. DuckDB's own, as
    # filters are pushed into scans that Arrow does not know.
    connection.register("declared", scan.schema.empty_table())
    connection.execute(f'CREATE TABLE "{name} without rows" AS SELECT * FROM declared')
    connection.unregister("declared")
    rows = f" UNION ALL BY NAME SELECT * FROM {_read_parquet(scan)}" if scan.files else ""
    connection.execute(f'CREATE VIEW "{name}" AS SELECT * FROM "{name} without rows"{rows}')


def _read_parquet(scan: Scan) -> str:
    paths = ", ".join("'" + path.replace("'", "''") + "'" for path in scan.files)
    types = ", ".join(
        f"'{column}': {_sql_type(scan.table.schema.field(column).type)}" for column in scan.table.partition_by
    )
    partitions = f", hive_partitioning = true, hive_types = {{{types}}}" if types else ", hive_partitioning = false"
    return f"read_parquet([{paths}], union_by_name = true{partitions})"


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_date(kind):
        return "DATE"
    if pa.types.is_integer(kind):
        return "INTEGER"
    return "VARCHAR"
