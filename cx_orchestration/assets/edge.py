"""What every asset needs at Dagster's edge: a spec from a table's contract, and failures in Dagster's words."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any, TypeVar

import dagster as dg
import pandas as pd
import pyarrow as pa

from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import Failure, TransientFailure
from cx_orchestration.model.tables import Table

R = TypeVar("R")


def table_spec(table: Table, **more: Any) -> dict[str, Any]:
    """Arguments of ``@asset`` for an asset that is one table of the lake: key, description, kinds, column schema."""
    return {
        "key": table.path.split("/"),
        "group_name": table.path.split("/")[0],
        "description": f"Grain: {table.grain}.",
        "kinds": {"deltalake"},
        "metadata": table_metadata(table),
        **more,
    }


def table_metadata(table: Table) -> dict[str, Any]:
    """Metadata of an asset that says which table it is, what columns it has and what they mean."""
    columns = [dg.TableColumn(field.name, str(field.type), table.meanings.get(field.name)) for field in table.schema]
    return {"dagster/column_schema": dg.TableSchema(columns=columns), "lake_table": table.path}


def frame_rows(table: Table, rows: pd.DataFrame) -> pa.Table:
    """A small frame as Arrow, its columns in the types that the table declares; further columns keep their own."""
    declared = {name: table.schema.field(name) for name in table.schema.names if name in rows.columns}
    schema = pa.Schema.from_pandas(rows, preserve_index=False)
    fields = [declared.get(field.name, field) for field in schema]
    return pa.Table.from_pandas(rows, schema=pa.schema(fields), preserve_index=False)


def row_count(rows: int, **more: Any) -> dict[str, Any]:
    """Metadata of a materialization."""
    return {"dagster/row_count": rows, **more}


def markdown_table(rows: Sequence[Mapping[Any, Any]]) -> dg.MarkdownMetadataValue:
    """A few rows as a table in the UI; a value's pipe characters do not end its cell."""
    if not rows:
        return dg.MetadataValue.md("*none*")
    header = list(rows[0])
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(str(row[name]).replace("|", "\\|") for name in header) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def table_asset(table: Table, **more: Any) -> Callable[[Callable[..., object]], dg.AssetsDefinition]:
    """``@asset`` for an asset that is one table of the lake, its failures told plainly."""

    def define(compute: Callable[..., object]) -> dg.AssetsDefinition:
        described = {"description": f"{compute.__doc__}\n\nGrain: {table.grain}.", **more}
        asset: dg.AssetsDefinition = dg.asset(**table_spec(table, **described))(told_plainly(compute))
        return asset

    return define


def report_skip(context: dg.AssetExecutionContext, why: str, days: DayRange) -> None:
    """Say in the log and at the asset why these days were left alone; what depends on them is skipped with them."""
    context.log.info(f"Skipped: {why}")
    facts = {"skipped": why, "days": str(days)}
    context.log_event(dg.AssetObservation(context.asset_key, description=f"Skipped: {why}", metadata=facts))


def told_plainly(compute: Callable[..., R]) -> Callable[..., R]:
    """Turn a failure of ours into a step failure with its text alone: no trace, and retried only when it may pass."""
    if isgeneratorfunction(compute):

        @wraps(compute)
        def steps(*args: Any, **kwargs: Any) -> Any:
            try:
                yield from compute(*args, **kwargs)
            except Failure as failure:
                raise as_dagster_failure(failure) from None

        return steps

    @wraps(compute)
    def asset(*args: Any, **kwargs: Any) -> R:
        try:
            return compute(*args, **kwargs)
        except Failure as failure:
            raise as_dagster_failure(failure) from None

    return asset


def as_dagster_failure(failure: Failure, **metadata: Any) -> dg.Failure:
    """The step failure for one of ours, tagged with its family."""
    transient = isinstance(failure, TransientFailure)
    family = "transient" if transient else "permanent"
    return dg.Failure(str(failure), allow_retries=transient, metadata={"failure_family": family, **metadata})
