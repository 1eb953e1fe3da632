"""Results as views in a real PostgreSQL: what readers see while, after and in spite of a publication."""

import datetime as dt
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from sqlalchemy import URL, Engine, create_engine, make_url, text

from cx_orchestration.commands.materialize import materialize_project
from cx_orchestration.definitions import build_defs
from cx_orchestration.exploration.published import LEFT_OUT, PUBLISHED, publish_results
from cx_orchestration.model import tables
from cx_orchestration.model.failures import InvalidProject, PermanentFailure, TransientFailure
from cx_orchestration.model.persons import NOBODY
from cx_orchestration.project import CXProject
from cx_orchestration.project.template import write_template
from cx_orchestration.storage.bi_views import BIViews, Publication, view_name
from cx_orchestration.storage.lake import Lake

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


@pytest.fixture
def database(postgres_url: str) -> Iterator[Engine]:
    """An analyst's way in; the schemas are gone afterwards."""
    engine = create_engine(postgres_url)
    yield engine
    with engine.begin() as connection:
        for schema in ("analysts", "cx", "cx_data"):
            connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
    engine.dispose()


@pytest.fixture
def views(postgres_url: str) -> Iterator[BIViews]:
    opened = BIViews(postgres_url)
    yield opened
    opened.close()


def overlap(*functions: str | None, version: str = "1") -> Publication:
    rows = [dict.fromkeys(tables.OVERLAP.schema.names) | {"service": "crm", "business_function": f} for f in functions]
    return Publication(tables.OVERLAP, version, pa.Table.from_pylist(rows, tables.OVERLAP.schema))


def scores(*services: str, version: str = "1", **shares: float) -> Publication:
    rows = [dict.fromkeys(tables.SERVICE_SCORES.schema.names) | {"service": name, **shares} for name in services]
    further = [pa.field(name, pa.float64()) for name in shares]
    return Publication(
        tables.SERVICE_SCORES, version, pa.Table.from_pylist(rows, pa.schema([*tables.SERVICE_SCORES.schema, *further]))
    )


def publish(publications: list[Publication], url: URL) -> None:
    with closing(BIViews(url.render_as_string(hide_password=False))) as opened:
        opened.publish(publications, now=NOW)


def functions(connection) -> list[str]:
    return list(connection.scalars(text("SELECT business_function FROM cx.overlap ORDER BY 1")))


def services(connection) -> list[str]:
    return list(connection.scalars(text("SELECT service FROM cx.service_scores ORDER BY 1")))


def test_a_view_has_the_rows_types_and_meanings_of_its_table(views: BIViews, database: Engine) -> None:
    rows = [
        dict.fromkeys(tables.COVERAGE.schema.names)
        | {"service": 'a "b", \n\\N', "status": "", "last_day": dt.date(2026, 5, 31), "events": 7}
    ]
    views.publish([Publication(tables.COVERAGE, "1", pa.Table.from_pylist(rows, tables.COVERAGE.schema))], now=NOW)
    with database.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM cx.coverage")).mappings().all()
        assert dict(row) == rows[0]
        words = "SELECT col_description('cx.coverage'::regclass, 1), obj_description('cx.coverage'::regclass)"
        told = connection.execute(text(words)).one()
    assert tuple(told) == (tables.COVERAGE.meanings["service"], f"Grain: {tables.COVERAGE.grain}.")


def test_every_column_of_every_view_has_its_meaning_also_those_that_follow_from_the_project(
    views: BIViews, database: Engine
) -> None:
    further = {"reach_value": 1.0, "reach_share": 0.5, "customers_per_year": 7}
    views.publish([overlap("sales"), scores("crm", **further)], now=NOW)
    undescribed = """
        SELECT c.relname || '.' || a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'cx'::regnamespace AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NULL
    """
    with database.connect() as connection:
        columns = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'cx'"
        assert (
            connection.scalar(text(columns)) == len(tables.OVERLAP.schema) + len(tables.SERVICE_SCORES.schema) + 3 + 3
        )
        assert connection.scalars(text(undescribed)).all() == []


def test_a_reader_in_the_middle_of_a_publication_sees_the_old_rows_of_all_views_and_then_the_new_ones(
    views: BIViews, database: Engine
) -> None:
    views.publish([overlap("old"), scores("old")], now=NOW)
    with database.connect().execution_options(isolation_level="REPEATABLE READ") as reader:
        assert functions(reader) == ["old"]
        views.publish([overlap("new", version="2"), scores("new", version="2")], now=NOW)
        assert services(reader) == ["old"]
        reader.commit()
        assert (functions(reader), services(reader)) == (["new"], ["new"])


def test_a_publication_that_is_killed_leaves_all_views_as_they_were(views: BIViews, database: Engine) -> None:
    """Killed while it waits for a lock on the second table, after the first was replaced."""
    views.publish([overlap("old"), scores("old")], now=NOW)
    told: list[Exception] = []

    def publish() -> None:
        try:
            views.publish([overlap("new", version="2"), scores("new", version="2")], now=NOW)
        except TransientFailure as failure:
            told.append(failure)

    with database.connect() as holder, database.connect() as other:
        holder.execute(text("LOCK TABLE cx_data.service_scores IN SHARE MODE"))
        publishing = threading.Thread(target=publish)
        publishing.start()
        blocked = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE%'"
        deadline = time.monotonic() + 20
        while (pid := other.scalar(text(blocked))) is None and time.monotonic() < deadline:
            other.rollback()
        assert (functions(other), services(other)) == (["old"], ["old"])
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        publishing.join(20)
        holder.rollback()
        other.rollback()
        assert (functions(other), services(other)) == (["old"], ["old"])
    assert "all views are as they were" in str(told[0])
    views.publish([overlap("new", version="2"), scores("new", version="2")], now=NOW)
    with database.connect() as reader:
        assert (functions(reader), services(reader)) == (["new"], ["new"])


def test_a_new_column_comes_last_and_what_analysts_built_goes_on(views: BIViews, database: Engine) -> None:
    views.publish([scores("crm", cost_share=1)], now=NOW)
    with database.begin() as analyst:
        analyst.execute(text("CREATE SCHEMA analysts"))
        analyst.execute(text("CREATE VIEW analysts.mine AS SELECT service, cost_share FROM cx.service_scores"))
    views.publish([scores("crm", "desk", cost_share=2, risk_share=3, version="2")], now=NOW)
    with database.connect() as reader:
        assert reader.execute(text("SELECT * FROM analysts.mine")).all() == [("crm", 2), ("desk", 2)]
        columns = list(reader.execute(text("SELECT * FROM cx.service_scores")).keys())
    assert columns == [*tables.SERVICE_SCORES.schema.names, "cost_share", "risk_share"]


def test_a_column_that_goes_is_refused_while_a_view_is_made_of_it_and_nothing_changes(
    views: BIViews, database: Engine
) -> None:
    views.publish([overlap("old"), scores("old", cost_share=1)], now=NOW)
    with database.begin() as analyst:
        analyst.execute(text("CREATE SCHEMA analysts"))
        analyst.execute(text("CREATE VIEW analysts.mine AS SELECT cost_share FROM cx.service_scores"))
    with pytest.raises(PermanentFailure, match=r"cx\.service_scores loses or changes cost_share, and analysts\.mine"):
        views.publish([overlap("new", version="2"), scores("new", version="2")], now=NOW)
    with database.begin() as analyst:
        assert functions(analyst) == ["old"]
        analyst.execute(text("DROP VIEW analysts.mine"))
    views.publish([overlap("new", version="2"), scores("new", version="2")], now=NOW)
    with database.connect() as reader:
        assert (functions(reader), services(reader)) == (["new"], ["new"])


def test_a_read_only_role_reads_the_views_and_nothing_else_also_after_a_column_is_gone(
    views: BIViews, database: Engine
) -> None:
    """The statements of docs/bi.md."""
    views.publish([scores("crm", cost_share=1)], now=NOW)
    page = (Path(__file__).parents[2] / "docs" / "bi.md").read_text(encoding="utf-8")
    statements = "".join(block.partition("```")[0] for block in page.split("```sql\n")[1:])
    statements = statements.replace("LOGIN PASSWORD '...'", "NOLOGIN")
    with database.begin() as owner:
        owner.execute(text(statements))
    views.publish([scores("crm", version="2")], now=NOW)
    with database.connect() as reader:
        reader.execute(text("SET ROLE bi_reader"))
        assert services(reader) == ["crm"]
        for refused in ("SELECT * FROM cx_data.service_scores", "DELETE FROM cx.service_scores"):
            with pytest.raises(Exception, match="permission denied"):
                reader.execute(text(refused))
            reader.rollback()
            reader.execute(text("SET ROLE bi_reader"))
    with database.begin() as owner:
        owner.execute(text("DROP OWNED BY bi_reader; DROP ROLE bi_reader"))


def test_whoever_owns_the_schemas_publishes_without_a_right_to_make_any_and_nobody_else_does(
    postgres_url: str, database: Engine
) -> None:
    with database.begin() as owner:
        owner.execute(text("CREATE ROLE publisher LOGIN; CREATE ROLE stranger LOGIN"))
        for schema in ("cx", "cx_data"):
            owner.execute(text(f"CREATE SCHEMA {schema} AUTHORIZATION publisher"))
    url = make_url(postgres_url)
    try:
        publish([overlap("care")], url.set(username="publisher"))
        with database.connect() as reader:
            assert functions(reader) == ["care"]
            assert list(reader.scalars(text("SELECT name FROM cx.publications"))) == ["overlap"]
        with pytest.raises(PermanentFailure, match="must own the schemas"):
            publish([overlap("sales", version="2")], url.set(username="stranger"))
    finally:
        with database.begin() as owner:
            owner.execute(text("DROP OWNED BY publisher, stranger; DROP ROLE publisher, stranger"))


def test_no_published_table_is_about_persons_and_each_has_a_name_of_its_own() -> None:
    assert {table.path for table in PUBLISHED if table.persons != NOBODY} == set()
    assert len({view_name(table) for table in PUBLISHED}) == len(PUBLISHED)
    named = {name for table in PUBLISHED for name in table.schema.names if name not in LEFT_OUT}
    assert not named & {"customer_id", "entity", "decided_by", "business_leader", "technical_leader", "instance_id"}


def test_the_asset_publishes_what_has_changed_and_a_rerun_leaves_it_alone(
    postgres_url: str, database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CX_RESULTS_URL", postgres_url)
    write_template(tmp_path / "project")
    settings = tmp_path / "project" / "project.yaml"
    assert "results_in_postgres" not in str(build_defs(CXProject.load(tmp_path / "project")).assets)
    settings.write_text(settings.read_text().replace("stores:\n", "stores:\n  results: ${CX_RESULTS_URL}\n"))
    project = CXProject.load(tmp_path / "project")
    lake = Lake(project.lake_root)
    rows = overlap("care")
    lake.replace(tables.OVERLAP, rows.rows, run_id="r")
    key = dg.AssetKey(["exploration", "results_in_postgres"])
    days = project.days()
    assert days is not None
    with dg.DagsterInstance.ephemeral() as instance:
        select = f'key:"{key.to_user_string()}"'
        assert materialize_project(project, instance, days=days, select=select).failures == []
        event = instance.get_latest_materialization_event(key)
    assert event is not None and event.asset_materialization is not None
    assert event.asset_materialization.metadata["replaced"].value == len(PUBLISHED)
    assert postgres_url not in str(event)
    assert [view.view for view in publish_results(lake, postgres_url, now=NOW) if view.replaced] == []
    lake.replace(tables.OVERLAP, overlap("care", "sales").rows, run_id="r")
    replaced = [view for view in publish_results(lake, postgres_url, now=NOW) if view.replaced]
    assert [(view.view, view.rows) for view in replaced] == [("cx.overlap", 2)]
    with database.connect() as reader:
        assert functions(reader) == ["care", "sales"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://host/name", "expected a PostgreSQL URL such as"),
        ("postgresql://cx:secret@host/name", "expected no password here"),
        ("postgresql://${cx}@host/name", "expected ${NAME} with the name of an environment variable"),
    ],
)
def test_a_url_that_is_none_or_has_a_secret_is_refused_without_repeating_it(tmp_path: Path, url, expected) -> None:
    write_template(tmp_path / "project")
    settings = tmp_path / "project" / "project.yaml"
    settings.write_text(settings.read_text().replace("stores:\n", f"stores:\n  results: {url}\n"))
    with pytest.raises(InvalidProject) as caught:
        CXProject.load(tmp_path / "project")
    assert [error.path for error in caught.value.errors] == ["stores.results"]
    assert expected in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_database_that_does_not_answer_is_worth_another_try_and_its_password_is_told_to_nobody(tmp_path) -> None:
    with pytest.raises(TransientFailure) as caught:
        publish_results(Lake(tmp_path), "postgresql://cx:hidden@127.0.0.1:1/results", now=NOW)
    assert "hidden" not in str(caught.value)
    assert "127.0.0.1/results" in str(caught.value)
