"""Result tables in PostgreSQL: one view a table in the schema ``cx``, which BI tools read.

Belongs here: connections, columns and comments of the views, replacing their rows in one transaction. Does not belong
here: which tables are published (``exploration.published``).

Rows are deleted and copied anew in one transaction, never put into other tables by renaming: so a reader that is in the
middle of a transaction of its own goes on seeing the rows that it saw, of all views together (MVCC), and waits for
nothing. Only where a table's columns have changed do its readers wait for the publication's end.
"""

import datetime as dt
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.model.tables import Table

#: The schema of the views, which others read, and that of the tables behind them, which nobody else may.
VIEWS, ROWS = "cx", "cx_data"

#: A publication waits so long for whoever uses a view whose columns change, and for another publication.
_LOCK_TIMEOUT = "30s"

_TYPES = {
    pa.string(): "text",
    pa.bool_(): "boolean",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float64(): "double precision",
    pa.date32(): "date",
    pa.timestamp("us", "UTC"): "timestamp with time zone",
    pa.decimal128(18, 4): "numeric(18,4)",
}

_BOOKS = f"""
CREATE TABLE {ROWS}.published (
    name text PRIMARY KEY, state text NOT NULL, rows bigint NOT NULL, published_at timestamptz NOT NULL
);
CREATE VIEW {VIEWS}.publications AS SELECT name, rows, published_at FROM {ROWS}.published;
"""

_MEANING_OF_BOOKS = f"""
COMMENT ON VIEW {VIEWS}.publications IS 'Grain: one view; when its rows were last replaced.';
COMMENT ON COLUMN {VIEWS}.publications.name IS 'the view';
COMMENT ON COLUMN {VIEWS}.publications.rows IS 'how many it has';
COMMENT ON COLUMN {VIEWS}.publications.published_at IS 'when they were last replaced, by a run that changed them';
"""

_COLUMNS = """
SELECT attname AS name, format_type(atttypid, atttypmod) AS kind
FROM pg_attribute
WHERE attrelid = to_regclass(:view) AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""

_MADE_OF_IT = """
SELECT DISTINCT r.ev_class::regclass::text
FROM pg_depend AS d
JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
WHERE d.refobjid = to_regclass(:view) AND r.ev_class <> d.refobjid
ORDER BY 1
"""

_READERS = """
SELECT DISTINCT grantee
FROM information_schema.role_table_grants
WHERE table_schema = :schema AND table_name = :name AND privilege_type = 'SELECT'
ORDER BY grantee
"""


@dataclass(frozen=True)
class Publication:
    """A table to be read under its ``view_name``: its rows, and a ``state`` that differs whenever they do."""

    table: Table
    state: str
    rows: pa.Table

    @property
    def name(self) -> str:
        return view_name(self.table)


def view_name(table: Table) -> str:
    """What a table's view is called, in its schema: as the table, without its folder."""
    return table.path.rpartition("/")[2]


class BIViews:
    """The views in the PostgreSQL database at a SQLAlchemy URL, which may hold a password."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, hide_parameters=True)

    def close(self) -> None:
        self._engine.dispose()

    def states(self) -> dict[str, str]:
        """By name, the state of what is published now."""
        with self._connected() as connection:
            if connection.scalar(text("SELECT to_regclass(:name)"), {"name": f"{ROWS}.published"}) is None:
                return {}
            known = connection.execute(text(f"SELECT name, state FROM {ROWS}.published"))
            return {row.name: row.state for row in known}

    def publish(self, publications: Sequence[Publication], *, now: dt.datetime) -> None:
        """Replace the rows of these views, all or none of them.

        A new column comes last in its view. Raises ``PermanentFailure`` when a column is gone or is of another type
        while somebody's views are made of the view, and ``TransientFailure`` when the database does not answer, or
        somebody holds what must change for too long; then everything is as it was.
        """
        with self._connected() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('cx_orchestration results'))"))
            _prepare(connection)
            for publication in publications:
                self._replace(connection, publication, now)

    def _replace(self, connection: Connection, one: Publication, now: dt.datetime) -> None:
        wanted = {field.name: _TYPES[field.type] for field in one.rows.schema}
        self._shape(connection, one, wanted)
        view = f"{VIEWS}.{one.name}"
        connection.execute(text(f"COMMENT ON VIEW {view} IS :words"), {"words": f"Grain: {one.table.grain}."})
        for name in wanted:
            words = {"words": one.table.meaning(name)}
            connection.execute(text(f"COMMENT ON COLUMN {view}.{_quoted(name)} IS :words"), words)
        names = ", ".join(_quoted(name) for name in wanted)
        connection.execute(text(f"DELETE FROM {ROWS}.{one.name}"))
        buffer = io.BytesIO()
        options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")
        pyarrow.csv.write_csv(one.rows, buffer, options)
        buffer.seek(0)
        cursor = connection.connection.cursor()
        cursor.copy_expert(f"COPY {ROWS}.{one.name} ({names}) FROM STDIN (FORMAT csv)", buffer)
        noted = {"name": one.name, "state": one.state, "rows": one.rows.num_rows, "now": now}
        connection.execute(
            text(
                f"INSERT INTO {ROWS}.published VALUES (:name, :state, :rows, :now) ON CONFLICT (name) DO UPDATE "
                "SET state = EXCLUDED.state, rows = EXCLUDED.rows, published_at = EXCLUDED.published_at"
            ),
            noted,
        )

    def _shape(self, connection: Connection, one: Publication, wanted: dict[str, str]) -> None:
        """Give view and table the columns that are wanted."""
        view = f"{VIEWS}.{one.name}"
        present = {row.name: row.kind for row in connection.execute(text(_COLUMNS), {"view": view})}
        lost = [name for name, kind in present.items() if wanted.get(name) != kind]
        if not lost and len(present) == len(wanted):
            return
        readers: list[str] = []
        if lost:
            readers = self._taken_down(connection, one.name, lost)
            present = {}
        if present:
            for name in [name for name in wanted if name not in present]:
                connection.execute(text(f"ALTER TABLE {ROWS}.{one.name} ADD COLUMN {_quoted(name)} {wanted[name]}"))
        else:
            columns = ", ".join(f"{_quoted(name)} {kind}" for name, kind in wanted.items())
            connection.execute(text(f"CREATE TABLE {ROWS}.{one.name} ({columns})"))
        order = [*present, *(name for name in wanted if name not in present)]
        shown = ", ".join(map(_quoted, order))
        connection.execute(text(f"CREATE OR REPLACE VIEW {view} AS SELECT {shown} FROM {ROWS}.{one.name}"))
        for reader in readers:
            connection.execute(text(f"GRANT SELECT ON {view} TO {_quoted(reader)}"))

    def _taken_down(self, connection: Connection, name: str, lost: Sequence[str]) -> list[str]:
        """Drop a view and its table; returns who could read it."""
        view = f"{VIEWS}.{name}"
        if made_of_it := connection.scalars(text(_MADE_OF_IT), {"view": view}).all():
            raise PermanentFailure(
                f"the view {view} loses or changes {', '.join(lost)}, and {', '.join(made_of_it)} in the same database "
                f"are made of it. Drop those, materialize exploration/results_in_postgres, and make them anew without "
                f"these columns. Until then all views keep the rows that they have"
            )
        readers = list(connection.scalars(text(_READERS), {"schema": VIEWS, "name": name}))
        connection.execute(text(f"DROP VIEW {view}"))
        connection.execute(text(f"DROP TABLE {ROWS}.{name}"))
        return readers

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A transaction; what goes wrong in it is told without the URL."""
        where = f"the database of results ({self._engine.url.host or 'local'}/{self._engine.url.database})"
        try:
            with self._engine.begin() as connection:
                yield connection
        except OperationalError as error:
            raise TransientFailure(f"{where} cannot be used ({_reason(error)}); all views are as they were") from None
        except DBAPIError as error:
            raise PermanentFailure(
                f"{where} refuses a publication ({_reason(error)}); its user must own the schemas {VIEWS} and {ROWS}, "
                f"or be allowed to create them (docs/bi.md). All views are as they were"
            ) from None


def _prepare(connection: Connection) -> None:
    """Make what is not there yet; whoever owns the schemas needs no right to make any."""
    for schema in (VIEWS, ROWS):
        if connection.scalar(text("SELECT to_regnamespace(:name)"), {"name": schema}) is None:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": f"{ROWS}.published"}) is None:
        connection.execute(text(_BOOKS))
    connection.execute(text(_MEANING_OF_BOOKS))


def _reason(error: DBAPIError) -> str:
    return str(error.orig).partition("\n")[0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
