"""The pairs of entities that are looked at, on a connection of the project's engine.

Belongs here: the tables that a comparison needs, and which pairs are candidates. Does not belong here: how pairs are
weighed (``weighing.py``), and what is made of that (``training.py``, ``scoring.py``).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from cx_orchestration.identity.matching.comparisons import key_column
from cx_orchestration.storage.engine import Engine, sql_text


@contextmanager
def workspace(
    engine: Engine, fields: pa.Table, namespaces: Sequence[str], *, everything: bool = True
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the tables ``fields`` (a list column more for each namespace) and ``blocks``.

    With ``everything`` all entities count as changed, so that all pairs are candidates.
    """
    with engine.connect({"rows": fields}) as connection:
        if everything:
            connection.execute("CREATE VIEW chosen AS SELECT * REPLACE (true AS changed) FROM rows")
        else:
            connection.execute("CREATE VIEW chosen AS SELECT * FROM rows")
        connection.execute(
            f"CREATE TABLE fields AS SELECT *, string_split(words, ' ') AS tokens{_key_columns(namespaces)} FROM chosen"
        )
        connection.execute(f"CREATE TABLE blocks AS {sql_text(__package__, 'blocks.sql')}")
        yield connection


def mark_flipped(connection: duckdb.DuckDBPyConnection, before: pa.Table, caps: Mapping[str, int]) -> None:
    """Count as changed too who is in a block that has come to be over its cap, or under it.

    ``before`` are the fields, as they were, of the entities that changed or are gone.
    """
    connection.register("before", before)
    was = "SELECT *, 0 AS unique_id, true AS changed FROM before"
    text = sql_text(__package__, "blocks.sql").replace("FROM fields", f"FROM ({was}) AS fields")
    connection.execute(f"CREATE OR REPLACE TABLE blocks_before AS {text}")
    with _caps(connection, caps):
        connection.execute(f"CREATE OR REPLACE TABLE flipped AS {sql_text(__package__, 'flipped.sql')}")
    for table in ("blocks", "fields"):
        connection.execute(f"UPDATE {table} SET changed = true WHERE unique_id IN (SELECT unique_id FROM flipped)")
    connection.unregister("before")


def find_candidates(connection: duckdb.DuckDBPyConnection, caps: Mapping[str, int]) -> int:
    """Make the table ``candidates`` of the workspace and return how many pairs it has."""
    with _caps(connection, caps):
        connection.execute(f"CREATE OR REPLACE TABLE candidates AS {sql_text(__package__, 'candidates.sql')}")
    return _count(connection, "candidates")


@contextmanager
def _caps(connection: duckdb.DuckDBPyConnection, caps: Mapping[str, int]) -> Iterator[None]:
    schema = pa.schema([("rule", pa.string()), ("cap", pa.int64())])
    connection.register("caps", pa.table({"rule": list(caps), "cap": list(caps.values())}, schema=schema))
    yield
    connection.unregister("caps")


def _key_columns(namespaces: Sequence[str]) -> str:
    """By namespace ``key_<namespace>``, the values as a list, and what of it pairs are asked for: the first value, the
    list where there are several (lists take ten times as long to compare as texts), and an address's part before
    the @."""
    columns = []
    for key in map(key_column, namespaces):
        namespace = key.removeprefix("key_")
        columns += [
            f"nullif(list_transform(list_filter(keys, lambda k: k.namespace = '{namespace}'), lambda k: k.value), [])"
            f" AS {key}",
            f"{key}[1] AS first_{key}",
            f"CASE WHEN len({key}) > 1 THEN {key} ELSE NULL END AS several_{key}",
            f"CASE WHEN contains({key}[1], '@') THEN split_part({key}[1], '@', 1) ELSE NULL END AS mailbox_{key}",
        ]
    return "".join(f", {column}" for column in columns)


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    rows = connection.sql(f"SELECT count(*) FROM {table}").fetchone()
    return int(rows[0]) if rows else 0
