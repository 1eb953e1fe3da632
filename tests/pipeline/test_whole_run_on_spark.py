"""The main job of a small company with ``engine: spark``: every table of the lake is the one that DuckDB gives."""

import json

import pytest
from demo_site import Site

from cx_orchestration.model import tables

pytestmark = [pytest.mark.spark, pytest.mark.long]


def test_a_whole_run_writes_the_tables_that_duckdb_writes(
    finished: Site, site: Site, spark_config: dict[str, str]
) -> None:
    settings = site.folder / "project.yaml"
    on_spark = {"engine": "spark", "spark": {"master": "local[2]", "config": spark_config}}
    said = "\n".join(f"{key}: {json.dumps(value)}" for key, value in on_spark.items())
    settings.write_text(f"{settings.read_text(encoding='utf-8')}\n{said}\n", encoding="utf-8")
    assert site.project.settings.engine == "spark"

    assert site.run().failures == []

    found, expected = site.hashes(), finished.hashes()
    # Both say when the run was, and the documents in each key, too.
    differing = {path for path in found.keys() | expected.keys() if found.get(path) != expected.get(path)}
    assert differing <= {tables.PROGRESS_HISTORY.path, tables.CUSTOMERS.path}
    made, wanted = (
        each.lake.read(tables.CUSTOMERS).select(["customer_id", "entities", "events"]) for each in (site, finished)
    )
    assert made.sort_by("customer_id") == wanted.sort_by("customer_id")
    assert len([path for path in found if path.startswith(("journeys/", "exploration/"))]) > 20
