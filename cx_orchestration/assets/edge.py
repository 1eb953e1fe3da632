"""What every asset needs at Dagster's edge: a spec from a table's contract, and failures in Dagster's words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any, TypeVar

import dagster as dg
import pandas as pd
import pyarrow as pa

from cx_orchestration.model.bugs import Bug
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import FAMILY, Failure, TransientFailure
from cx_orchestration.model.settings import Retries
from cx_orchestration.model.tables import Table

R = TypeVar("R")

#: Metadata of a step failure: whether another try soon may help.
MAY_PASS = "may_pass_soon"  # noqa: S105

#: Metadata of a step failure: the way to an unexpected exception.
TRACE = "trace"

#: Metadata of a materialization: what whoever asked for it should read, in one line.
NOTE = "note"

#: The tag of runs whose failures are tried again by whoever made the run, after other things, not within the run.
RETRIES_TAG, RETRIED_LATER = "cx/retries", "later"

LONGEST_PAUSE_SECONDS = 60.0


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


def table_asset(
    table: Table, *, retries: Retries | None = None, **more: Any
) -> Callable[[Callable[..., object]], dg.AssetsDefinition]:
    """``@asset`` for an asset that is one table of the lake, its failures told plainly."""

    def define(compute: Callable[..., object]) -> dg.AssetsDefinition:
        described = {"description": f"{compute.__doc__}\n\nGrain: {table.grain}.", **more}
        asset: dg.AssetsDefinition = dg.asset(**table_spec(table, **described))(told_plainly(compute, retries))
        return asset

    return define


def report_skip(context: dg.AssetExecutionContext, why: str, days: DayRange) -> None:
    """Say in the log and at the asset why these days were left alone; what depends on them is skipped with them."""
    context.log.info(f"Skipped: {why}")
    facts = {"skipped": why, "days": str(days)}
    context.log_event(dg.AssetObservation(context.asset_key, description=f"Skipped: {why}", metadata=facts))


def told_plainly(compute: Callable[..., R], retries: Retries | None = None) -> Callable[..., R]:
    """Turn a failure of ours into a step failure with its text alone, retried only when it may pass; and an unexpected
    exception into one without any value.

    Dagster keeps the text of every exception, and of those that led to it, where everybody can read it.
    """
    if isgeneratorfunction(compute):

        @wraps(compute)
        def steps(*args: Any, **kwargs: Any) -> Any:
            with _plainly(retries):
                yield from compute(*args, **kwargs)

        return steps

    @wraps(compute)
    def asset(*args: Any, **kwargs: Any) -> R:
        with _plainly(retries):
            return compute(*args, **kwargs)

    return asset


@contextmanager
def _plainly(retries: Retries | None) -> Iterator[None]:
    try:
        yield
        return
    except StepFailures as failed:
        failures, metadata = failed.failures, failed.metadata
    except Failure as failure:
        failures, metadata = [failure], {}
    except (dg.Failure, dg.RetryRequested):
        raise
    except Exception as error:  # noqa: BLE001  # a border: what nobody foresaw goes on, but without its values
        failures, metadata = [Bug(error)], {}
    may_pass = any(map(_may_pass_soon, failures))
    facts = {FAMILY: family_of(failures[0]), MAY_PASS: may_pass, **metadata}
    if isinstance(failures[0], Bug):
        facts[TRACE] = failures[0].trace
    told = dg.Failure(str(failures[0]), allow_retries=False, metadata=facts)
    if retries is None or not may_pass:
        raise told from None
    raise _try_again(dg.AssetExecutionContext.get(), retries) from told


class StepFailures(Exception):
    """Several failures that fail a step together; the first of them is told."""

    def __init__(self, failures: Sequence[Failure], **metadata: Any) -> None:
        super().__init__(str(failures[0]))
        self.failures, self.metadata = list(failures), metadata


def family_of(failure: Failure) -> str:
    """The class of a failure in one word."""
    if isinstance(failure, Bug):
        return "bug"
    return "transient" if isinstance(failure, TransientFailure) else "permanent"


def is_tried_again(context: dg.AssetExecutionContext, failures: Sequence[Failure], retries: Retries) -> bool:
    """Whether the step will be tried again for these failures in this run."""
    return context.retry_number < _times(context, retries) and any(map(_may_pass_soon, failures))


def _try_again(context: dg.AssetExecutionContext, retries: Retries) -> dg.RetryRequested:
    """Ask for another try after a pause; when there were enough of them, the step fails as its cause says.

    Dagster's own way, a retry policy on the asset, would also try again what it must not: a bug, and a run that
    somebody cancels. So the policy computes the pause, and only a transient failure asks for it.
    """
    policy = dg.RetryPolicy(delay=retries.pause_seconds, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
    return dg.RetryRequested(_times(context, retries), policy.calculate_delay(context.retry_number + 1))


def _may_pass_soon(failure: Failure) -> bool:
    """A wait that a service asks for and that is not short is no pause in a run: the sensor asks again after it."""
    return isinstance(failure, TransientFailure) and (failure.retry_after or 0) <= LONGEST_PAUSE_SECONDS


def _times(context: dg.AssetExecutionContext, retries: Retries) -> int:
    return 0 if context.run.tags.get(RETRIES_TAG) == RETRIED_LATER else retries.times
