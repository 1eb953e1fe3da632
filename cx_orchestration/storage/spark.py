"""Spark as the engine: the same SQL texts over the same lake, on a cluster or, for tests, in this process.

Belongs here: how a text is rendered in Spark's words, and how it gets at the lake and gives Arrow back. Does not belong
here: DuckDB (``engine``), or any SQL that knows what a table means.
"""

import os
import pickle
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import pyarrow as pa
import sqlglot
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from sqlglot import exp
from sqlglot.dialects import DuckDB, Spark

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.engine import Engine, Input, Item, Result, Session, sql_text, used_params
from cx_orchestration.storage.part import Part
from cx_orchestration.storage.scan import Scan

#: What a session needs for its answers to be DuckDB's: instants in UTC, and an error, not null, where a cast or a sum
#: does not fit.
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # A checkpoint keeps what its plan knew of its columns, under the names they had there: a union of what was made
    # from one then fails with "key not found".
    "spark.sql.constraintPropagation.enabled": "false",
}


@cache
def spark_sql(text: str) -> str:
    """A SQL text of ours in Spark's words: ``$name`` becomes ``:name``, and where nulls are ordered is written out."""
    return sqlglot.parse_one(text, read=DuckDB).transform(_in_spark_words).sql(dialect=Spark, comments=False)


def _in_spark_words(node: exp.Expr) -> exp.Expr:
    """What SQLGlot does not know, or renders inexactly: an approximate percentile, a text joined in any order.

    Functions of ``functions.sql`` are put as what they stand for.
    """
    if isinstance(node, exp.Anonymous) and node.name.lower() in _functions():
        names, meaning = _functions()[node.name.lower()]
        given = dict(zip(names, node.expressions, strict=True))
        return meaning.transform(lambda each: _in_place(each, given)).transform(_in_spark_words)
    if isinstance(node, exp.Anonymous) and node.name.lower() == "epoch_us":
        return exp.Anonymous(this="unix_micros", expressions=node.expressions)
    if isinstance(node, exp.PercentileDisc):
        return exp.Anonymous(this="percentile_disc", expressions=[node.this])
    if isinstance(node, exp.GroupConcat) and isinstance(node.this, exp.Order):
        joined = exp.Anonymous(this="listagg", expressions=[node.this.this, node.args["separator"]])
        return exp.WithinGroup(this=joined, expression=exp.Order(expressions=node.this.expressions))
    return node


@cache
def _functions() -> dict[str, tuple[list[str], exp.Expr]]:
    """The functions that every text may call: their parameters, and what they stand for."""
    statements = sqlglot.parse(sql_text(__package__, "functions.sql"), read=DuckDB)
    return {
        macro.this.this.name: ([each.name for each in macro.this.expressions], macro.expression)
        for macro in statements
        if isinstance(macro, exp.Create)
    }


def _in_place(node: exp.Expr, given: Mapping[str, exp.Expr]) -> exp.Expr:
    return exp.paren(given[node.name]) if isinstance(node, exp.Column) and node.name in given else node


class SparkEngine(Engine):
    """Spark over the lake's Parquet files. ``master`` is Spark's (``local[2]``, ``spark://host:7077``, ``yarn``).

    The executors must see the lake under the paths that the driver sees. Needs the ``spark`` extra and Java.
    """

    def __init__(self, *, master: str = "local[*]", config: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._master = master
        self._settings = {**_SETTINGS, **(config or {})}

    def sized(self, rows: int) -> "SparkEngine":  # noqa: ARG002  # Spark's scheduler divides the work
        return self

    @contextmanager
    def session(
        self,
        inputs: Mapping[str, Input] | None = None,
        *,
        threads: int | None = None,  # noqa: ARG002  # Spark's scheduler divides the work
    ) -> Iterator[Session]:
        """Several queries over the same inputs, whose names no other session sees.

        Raises ``PermanentFailure`` when Spark does not start, or cannot give a result.
        """
        with _named_failures():
            session = _SparkSession(self._started().newSession())
            for name, source in (inputs or {}).items():
                session.see(name, source)
            try:
                yield session
            finally:
                session.forget()

    def each(self, items: Iterable[Item], work: Callable[[Item], Result]) -> Iterator[Result]:
        """What ``work`` makes of each item, in their order; the executors work on many at once."""

        def on_executor(rows: pa.Table) -> pa.Table:
            (item,) = rows["item"].to_pylist()
            result = pickle.dumps(work(pickle.loads(item)))  # noqa: S301  # what the driver wrote below
            return pa.table({"place": rows["place"], "result": [result]})

        written = [pickle.dumps(item) for item in items]
        rows = pa.table({"place": pa.array(range(len(written)), pa.int64()), "item": pa.array(written, pa.binary())})
        with _named_failures():
            frame = self._started().newSession().createDataFrame(rows)
            spread = frame.repartition(max(1, len(written)), "place").groupBy("place")
            done = spread.applyInArrow(on_executor, "place long, result binary").orderBy("place")
            for row in done.toLocalIterator():
                yield pickle.loads(row["result"])  # noqa: S301  # what an executor of ours wrote above

    def _started(self) -> SparkSession:
        if self._master.startswith("local"):
            # Else Spark starts whatever ``python3`` is, which need not have these packages.
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.master(self._master).appName("cx_orchestration")
        for key, value in self._settings.items():
            builder = builder.config(key, value)
        return builder.getOrCreate()


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except PySparkException as error:
        condition = error.getCondition() or type(error).__name__
        raise PermanentFailure(
            f"Spark gave no result ({condition}); its own log has the query and the executor's error"
        ) from None


class _SparkSession(Session):
    """A session of its own on the running Spark: temporary views and settings are not shared."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._small: dict[str, pa.Table] = {}
        self._made: set[str] = set()

    def see(self, name: str, source: Input) -> None:
        if isinstance(source, Scan):
            frame = _scanned(self._spark, source)
        else:
            frame, self._small[name] = self._spark.createDataFrame(source), source
        frame.createOrReplaceTempView(name)

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        return self._result(sql, params).toArrow()

    def make(self, name: str, sql: str, params: Mapping[str, Any] | None = None) -> int:
        return self._kept(name, self._result(sql, params))

    def make_in_parts(
        self, name: str, sql: str, over: str, params: Mapping[str, Any] | None = None, *, beside: Collection[str] = ()
    ) -> int:
        frame = self._spark.table(over)
        part = Part(sql, over, used_params(sql, params), {small: self._small[small] for small in beside})
        schema = from_arrow_schema(part.result(to_arrow_schema(frame.schema, timezone="UTC").empty_table()).schema)
        kind = to_arrow_schema(schema, timezone="UTC")
        return self._kept(name, frame.mapInArrow(lambda batches: part.results(batches, kind), schema))

    def define(self, name: str, sql: str) -> None:
        self._result(sql, None).createOrReplaceTempView(name)

    def drop(self, name: str) -> None:
        self._made.remove(name)
        self._spark.catalog.dropTempView(name)

    def keep(self, name: str, rows: pa.Table) -> pa.Table:
        self.see(name, rows)
        return rows

    def forget(self) -> None:
        """Give back the space of all that was made."""
        for name in list(self._made):
            self.drop(name)

    def _result(self, sql: str, params: Mapping[str, Any] | None) -> DataFrame:
        return self._spark.sql(spark_sql(sql), args=used_params(sql, params))

    def _kept(self, name: str, result: DataFrame) -> int:
        """A checkpoint, whose plan is but its rows: a view stands for the whole plan of what it is read from, so that
        of tables made of tables, each read several times, Spark would plan hundreds of thousands of reads.

        Spark gives the space back when nothing names the rows any more.
        """
        made = result.localCheckpoint()
        made.createOrReplaceTempView(name)
        self._made.add(name)
        return int(made.count())


def _scanned(spark: SparkSession, scan: Scan) -> DataFrame:
    # The declared schema gives null for columns that came after a file was written, and types to the partitions.
    schema = from_arrow_schema(scan.schema)
    if not scan.files:
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).option("basePath", scan.root).parquet(*scan.files)
