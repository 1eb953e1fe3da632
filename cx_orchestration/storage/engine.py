"""The engine: runs one SQL text over scans of the lake and Arrow tables, and returns Arrow.

Belongs here: how SQL is executed. Does not belong here: any SQL that knows what a table means; that lies in ``.sql``
files beside the domain module that names its inputs.
"""

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from functools import cache
from importlib.resources import files
from typing import Any, Protocol, TypeAlias, TypeVar

import duckdb
import pyarrow as pa

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.damage import damaged
from cx_orchestration.storage.scan import Scan

_Config: TypeAlias = dict[str, str | bool | int | float | list[str]]

_SQL_TYPES = {
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
}

#: So many rows keep a thread busy.
_ROWS_A_THREAD = 4_000_000

Item = TypeVar("Item")
Result = TypeVar("Result")

#: What a SQL text may name: a scan of the lake, or a small table in memory.
Input: TypeAlias = Scan | pa.Table


def sql_text(package: str, name: str) -> str:
    """The text of the ``.sql`` file that lies in a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


class Engine:
    """DuckDB in memory over the lake's Parquet files: every query has a connection of its own, so no name leaks.

    ``memory_limit`` (``2GB``) bounds what is held in memory; beyond it DuckDB spills to ``temp_directory``.
    """

    def __init__(self, *, memory_limit: str | None = None, temp_directory: str | None = None) -> None:
        self._config: _Config = {
            key: value
            for key, value in (("memory_limit", memory_limit), ("temp_directory", temp_directory))
            if value is not None
        }

    def sized(self, rows: int) -> "Engine":
        """This engine for statements over tables of so many rows: with a thread for every four million of them begun.

        A thread that waits for others polls without pause, so many threads with little to do burn CPU for nothing.
        """
        fitted = copy(self)
        fitted._config = {**self._config, "threads": min(_most_threads(), rows // _ROWS_A_THREAD + 1)}
        return fitted

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
        Parameters that the text does not use are ignored; it may call the functions of ``functions.sql``, and can
        read no file but those of the scans' lake.
        Raises ``PermanentFailure`` when memory and the disk that it spills to are too small, or a file is damaged.
        """
        with self.session(inputs, threads=threads) as session:
            return session.query(sql, params)

    @contextmanager
    def session(self, inputs: Mapping[str, Input] | None = None, *, threads: int | None = None) -> Iterator["Session"]:
        """Several queries over the same inputs, whose names no other session sees."""
        config = self._config if threads is None else {**self._config, "threads": threads}
        scans = _scans(inputs)
        database = _DATABASES.connection(config, _lakes(scans))
        with self._within_its_means(), _naming_damage(scans), database as connection:
            _name_inputs(connection, inputs or {})
            yield _DuckDBSession(connection)

    def each(self, items: Iterable[Item], work: Callable[[Item], Result]) -> Iterator[Result]:
        """What ``work`` makes of each item, in their order: of one after the other, or on a cluster of many at once.

        Items, ``work`` and results are sent between processes there, so they must be picklable, and ``work`` must find
        what it reads (the lake, under the same path) wherever it runs.
        """
        return map(work, items)

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


@cache
def _most_threads() -> int:
    """As many as DuckDB takes by itself, which knows what of the machine's processors this process may have."""
    with duckdb.connect() as connection:
        (threads,) = connection.execute("SELECT current_setting('threads')").fetchall()[0]
    return int(threads)


@contextmanager
def _naming_damage(scans: Collection[Scan]) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        if (failure := damaged(error, scans)) is None:
            raise
        raise failure from None


class Session(Protocol):
    """An open session of an ``Engine``: its inputs, and the tables that were kept since."""

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """The result of one SELECT, as ``Engine.query`` gives it."""

    def make(self, name: str, sql: str, params: Mapping[str, Any] | None = None) -> int:
        """Let later queries read the result of a SELECT under a name that is free, or was made before.

        Returns its number of rows. They stay with the engine, and are never all in this process's memory.
        """

    def make_in_parts(
        self, name: str, sql: str, over: str, params: Mapping[str, Any] | None = None, *, beside: Collection[str] = ()
    ) -> int:
        """Like ``make``, but the text may be given the rows of ``over`` in parts, whose results are put together.

        So it may look at one row, or count what a later text adds up, but not hold rows against each other. DuckDB
        runs it wherever a part lies: what becomes of texts and lists is the same on all engines. ``beside`` are small
        tables that it reads as well: inputs in memory, or tables that were kept.
        """

    def define(self, name: str, sql: str) -> None:
        """Let later queries read a SELECT under a name that is free, or was defined before.

        It is run where it is read, so nothing is kept of it.
        """

    def drop(self, name: str) -> None:
        """Give back the space of what was made under this name."""

    def keep(self, name: str, rows: pa.Table) -> pa.Table:
        """Let later queries read ``rows`` under a name that is free, or was kept before."""


class _DuckDBSession(Session):
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        if used := used_params(sql, params):
            return self._connection.execute(sql, used).to_arrow_table()
        # The same result, collected by all threads: ``execute`` hands it over piece by piece to this one, which
        # polls for it without pause, half a CPU-second for each one that the threads work.
        return self._connection.sql(sql).to_arrow_table()

    def make(self, name: str, sql: str, params: Mapping[str, Any] | None = None) -> int:
        # It stays with DuckDB, which spills what its memory does not hold.
        made = self._connection.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS {sql}', used_params(sql, params))
        return sum(count for (count,) in made.fetchall())

    def make_in_parts(
        self,
        name: str,
        sql: str,
        over: str,  # noqa: ARG002  # all of it is one part here
        params: Mapping[str, Any] | None = None,
        *,
        beside: Collection[str] = (),  # noqa: ARG002
    ) -> int:
        return self.make(name, sql, params)

    def define(self, name: str, sql: str) -> None:
        self._connection.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS {sql}')

    def drop(self, name: str) -> None:
        self._connection.execute(f'DROP TABLE "{name}"')

    def keep(self, name: str, rows: pa.Table) -> pa.Table:
        self._connection.register(name, rows)
        return rows


def used_params(sql: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Those of ``params`` that a text names."""
    return {name: value for name, value in (params or {}).items() if re.search(rf"\${name}\b", sql)}


class _Databases:
    """Databases in memory without any table, kept open as making one costs more CPU than a small query does.

    One for each lake and configuration, the latest few; a connection's names are its own.
    """

    _MOST = 4

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[object, ...], duckdb.DuckDBPyConnection] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def connection(self, config: _Config, lakes: Collection[str]) -> Iterator[duckdb.DuckDBPyConnection]:
        # A process that was forked from this one has none of DuckDB's threads, so it makes its own.
        key = (os.getpid(), *sorted(config.items()), *sorted(lakes))
        with self._lock:
            if key not in self._open:
                self._open[key] = duckdb.connect(config=config)
                _close_off(self._open[key], lakes)
            self._open.move_to_end(key)
            connection = self._open[key].cursor()
            if len(self._open) > self._MOST:
                self._open.popitem(last=False)  # it closes with its last connection
        with connection:
            yield connection


_DATABASES = _Databases()


def _scans(inputs: Mapping[str, Input] | None) -> list[Scan]:
    return [source for source in (inputs or {}).values() if isinstance(source, Scan)]


def _lakes(scans: Collection[Scan]) -> set[str]:
    return {scan.lake for scan in scans if scan.files}


def _close_off(connection: duckdb.DuckDBPyConnection, lakes: Collection[str]) -> None:
    connection.execute(sql_text(__package__, "functions.sql"))
    connection.execute("SET enable_external_file_cache = false")
    connection.execute("SET allowed_directories = $lakes", {"lakes": [f"{lake}/" for lake in lakes]})
    connection.execute("SET enable_external_access = false")


def _name_inputs(connection: duckdb.DuckDBPyConnection, inputs: Mapping[str, Input]) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    for name, source in inputs.items():
        if isinstance(source, Scan):
            connection.execute(f'CREATE TEMP VIEW "{name}" AS {_rows(source)}')
        else:
            connection.register(name, source)


def _rows(scan: Scan) -> str:
    # The relation without rows brings the columns, in their order, that came after a file was written.
    declared = ", ".join(f'CAST(NULL AS {_sql_type(field.type)}) AS "{field.name}"' for field in scan.schema)
    rows = f" UNION ALL BY NAME SELECT * FROM {_read_parquet(scan)}" if scan.files else ""
    return f"SELECT {declared} WHERE FALSE{rows}"


def _read_parquet(scan: Scan) -> str:
    paths = ", ".join("'" + path.replace("'", "''") + "'" for path in scan.files)
    types = ", ".join(
        f"'{column}': {_sql_type(scan.table.schema.field(column).type)}" for column in scan.table.partition_by
    )
    partitions = f", hive_partitioning = true, hive_types = {{{types}}}" if types else ", hive_partitioning = false"
    return f"read_parquet([{paths}], union_by_name = true{partitions})"


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return "STRUCT(" + ", ".join(f'"{field.name}" {_sql_type(field.type)}' for field in kind) + ")"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    return _SQL_TYPES[kind]
