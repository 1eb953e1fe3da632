"""The five analyses on Spark: the tables that DuckDB gives, row for row."""

import pytest
from lifecycle_company import ALL, AS_OF, LIFECYCLE, SETTINGS, START, company, settle

from cx_orchestration.exploration.abandonment_hotspots import abandonment_hotspots
from cx_orchestration.exploration.change_priorities import change_priorities
from cx_orchestration.exploration.cohorts import read_cohorts
from cx_orchestration.exploration.incidents import rates_over_time
from cx_orchestration.exploration.profitable_paths import profitable_paths
from cx_orchestration.exploration.segment_cohorts import segment_cohorts
from cx_orchestration.exploration.support_shifts import support_shifts
from cx_orchestration.model.settings import Settings
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

pytestmark = pytest.mark.spark

ANALYSES = (abandonment_hotspots, support_shifts, profitable_paths, change_priorities)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return settle(Lake(tmp_path_factory.mktemp("lake")), *company(1, ALL, customers=1500))


@pytest.fixture(scope="module")
def cohorts(lake, spark):
    return [read_cohorts(lake, engine, [LIFECYCLE], as_of=AS_OF) for engine in (Engine(), spark)]


@pytest.mark.parametrize("name", ["visits", "entries", "clusters"])
def test_the_same_customers_are_compared(cohorts, name):
    on_duckdb, on_spark = (getattr(one, name) for one in cohorts)
    order = [(column, "ascending") for column in on_duckdb.column_names]
    assert on_duckdb.num_rows > 0
    assert on_spark.cast(on_duckdb.schema).sort_by(order).equals(on_duckdb.sort_by(order))


@pytest.mark.parametrize("analyse", ANALYSES, ids=lambda analyse: analyse.__name__)
def test_an_analysis_gives_the_same_table(cohorts, spark, analyse):
    settings = Settings(name="Company", start_date=START.date(), currency="USD", exploration=SETTINGS)
    on_duckdb, on_spark = (
        analyse(engine, one, settings) for engine, one in zip((Engine(), spark), cohorts, strict=True)
    )
    assert on_duckdb.num_rows > 0
    assert on_spark.equals(on_duckdb)


def test_rates_over_time_are_the_same(lake, spark):
    settings = Settings(name="Company", start_date=START.date(), currency="USD", exploration=SETTINGS)
    on_duckdb, on_spark = (
        rates_over_time(engine, read_cohorts(lake, engine, [LIFECYCLE], as_of=AS_OF, every_visit=True), settings)
        for engine in (Engine(), spark)
    )
    assert on_duckdb.incidents.num_rows > 0
    assert on_spark.incidents.equals(on_duckdb.incidents)
    assert on_spark.weekly.equals(on_duckdb.weekly)


def test_cohorts_by_segment_are_the_same(lake, spark):
    on_duckdb, on_spark = (
        segment_cohorts(
            lake,
            engine,
            read_cohorts(lake, engine, [LIFECYCLE], as_of=AS_OF, every_visit=True),
            [LIFECYCLE],
            least=SETTINGS.min_customers,
        )
        for engine in (Engine(), spark)
    )
    assert on_duckdb.num_rows > 0
    assert on_spark.equals(on_duckdb)
