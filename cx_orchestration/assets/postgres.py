"""Phase 5, results for BI tools: views in PostgreSQL, where the project names a database for them (E5)."""

import datetime as dt

import dagster as dg

from cx_orchestration.assets.edge import markdown_table, told_plainly
from cx_orchestration.exploration.published import PUBLISHED, publish_results
from cx_orchestration.model import tables
from cx_orchestration.project import CXProject
from cx_orchestration.storage.lake import Lake

#: The asset that writes a table, where it is called otherwise.
_WRITTEN_BY = {tables.COVERAGE: ["integration", "customer_events"]}


@dg.asset(
    key=["exploration", "results_in_postgres"],
    group_name="exploration",
    kinds={"postgres"},
    deps=[_WRITTEN_BY.get(table, table.path.split("/")) for table in PUBLISHED],
    pool="results",
)
@told_plainly
def results_in_postgres(project: dg.ResourceParam[CXProject], lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
    """The results as views `cx.<name>` in PostgreSQL, for BI tools: all of them change at once, or none.

    A view whose table has not changed is left alone. No view has a row about a person.
    """
    published = publish_results(lake, project.places.results_url, now=dt.datetime.now(dt.UTC))
    replaced = sum(view.replaced for view in published)
    shown = markdown_table([vars(view) for view in published])
    return dg.MaterializeResult(metadata={"views": shown, "replaced": replaced})
