"""Spark gives what DuckDB gives: the same texts over the same lake."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from cx_orchestration.model import tables
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.scan import Scan

pytestmark = pytest.mark.spark

MIDNIGHT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def rows():
    return pa.table(
        {
            "customer": pa.array(["a", "a", "a", "b", "b", None]),
            "step": ["start", "pay", "done", "pay", "start", "start"],
            "position": [1, 2, 3, 2, 1, 1],
            "amount": pa.array([Decimal("0.1000"), None, Decimal("12.3400"), Decimal("5"), None, None], tables.MONEY),
            "moved_at": pa.array([MIDNIGHT + dt.timedelta(microseconds=n) for n in range(6)], tables.UTC_MICROSECONDS),
            "attributes": ['{"plan":"pro"}', "{}", '{"plan":"é"}', '{"plan":null}', '{"plan":1}', None],
        }
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT customer, sum(amount) AS amount, count(*) AS n FROM rows GROUP BY customer ORDER BY customer",
        "SELECT customer, step FROM rows ORDER BY customer, step DESC",
        "SELECT customer, string_agg(step, ' > ' ORDER BY position) AS path FROM rows GROUP BY customer ORDER BY 1",
        "SELECT percentile_disc(1.0 / 3) WITHIN GROUP (ORDER BY position) AS third FROM rows",
        "SELECT epoch_us(moved_at) AS t, moved_at < $until AS earlier FROM rows WHERE step = $step ORDER BY moved_at",
        "SELECT position, json_extract_string(attributes, '$.' || 'plan') AS plan FROM rows ORDER BY moved_at",
        "SELECT position('a' IN step) AS a, substr(step, 1, 2) AS start, md5(step) AS m FROM rows ORDER BY moved_at",
        "SELECT LAG(step) OVER w AS s FROM rows WINDOW w AS (PARTITION BY customer ORDER BY position) ORDER BY 1",
        "SELECT digest_of('s', step) AS d, uuid5('6a3f6d0e3a0f5c559f0b0c2f8a6b7d11', step) AS u FROM rows ORDER BY 1",
        "SELECT 7 % 3 AS rest, 7 / 2 AS half, CAST('2.50' AS DECIMAL(18, 4)) AS money",
    ],
)
def test_a_text_gives_the_same_rows_in_the_same_order(spark, rows, sql):
    params = {"until": MIDNIGHT + dt.timedelta(microseconds=4), "step": "start", "not_used": None}
    expected = Engine().query(sql, {"rows": rows}, params)
    assert spark.query(sql, {"rows": rows}, params).cast(expected.schema).equals(expected)


def test_files_from_before_a_column_came_read_as_null(spark, tmp_path):
    lake = Lake(tmp_path)
    event = dict.fromkeys(tables.SEQUENCES.schema.names)
    bucket = {"bucket": 3, "week": 0, "customer_id": "c", "event_id": "e", "type": "t", "occurred_at": MIDNIGHT}
    lake.replace(
        tables.SEQUENCES,
        pa.Table.from_pylist([event | bucket], schema=tables.SEQUENCES.schema),
        where={"bucket": (0, 9)},
        run_id="r",
    )
    scan = lake.scan(tables.SEQUENCES)
    grown = Scan(scan.table, scan.files, scan.schema.append(pa.field("newer", pa.string())))
    sql = "SELECT bucket, occurred_at, newer FROM sequences"
    expected = Engine().query(sql, {"sequences": grown})
    assert spark.query(sql, {"sequences": grown}).cast(expected.schema).equals(expected)


def test_a_table_that_nobody_wrote_yet_has_its_columns_and_no_rows(spark, tmp_path):
    scan = Lake(tmp_path).scan(tables.SEQUENCES)
    assert spark.query("SELECT customer_id, bucket FROM sequences", {"sequences": scan}).num_rows == 0


def test_a_session_sees_only_its_own_names(spark, rows):
    with spark.session({"rows": rows}) as session:
        session.keep("kept", session.query("SELECT step FROM rows WHERE step = 'pay'"))
        assert session.query("SELECT count(*) AS n FROM kept")["n"].to_pylist() == [2]
    with pytest.raises(PermanentFailure, match="TABLE_OR_VIEW_NOT_FOUND"):
        spark.query("SELECT * FROM kept")


def test_a_text_in_parts_gives_what_duckdb_gives_for_lists_letters_and_hashes(spark, rows):
    sql = (
        "SELECT position, list_filter(string_split(step, 'a'), lambda part: part <> '') AS parts, w.weight,"
        " strip_accents(attributes) AS plain, (hash(step, position) >> 1)::BIGINT AS h,"
        " jaro_winkler_similarity(step, 'pay') AS alike FROM rows JOIN words w USING (step) WHERE position <= $most"
    )
    words = pa.table({"step": ["start", "pay"], "weight": [0.5, None]})
    found = []
    for engine in (Engine(), spark):
        with engine.session({"rows": rows, "words": words}) as session:
            made = session.make_in_parts("made", sql, "rows", {"most": 2}, beside=["words"])
            session.define("seen", "SELECT * FROM made WHERE alike > 0")
            result = session.query("SELECT * FROM seen ORDER BY h")
            session.drop("made")
            found.append((made, result.to_pylist()))
    assert found[1] == found[0]
    assert found[0][0] == 5


def test_what_does_not_fit_is_an_error_that_names_no_value(spark, rows):
    with pytest.raises(PermanentFailure) as caught:
        spark.query("SELECT CAST(step AS INTEGER) AS n FROM rows", {"rows": rows})
    assert "CAST_INVALID_INPUT" in str(caught.value)
    assert "start" not in str(caught.value)


def test_work_on_each_item_comes_back_in_their_order(spark):
    offset = pa.table({"n": [40]})

    def work(item: tuple[int, str]) -> tuple[str, int]:
        return item[1], item[0] + offset["n"][0].as_py()

    items = [(number, f"bucket {number}") for number in range(7)]
    assert list(spark.each(items, work)) == list(Engine().each(items, work))
    assert list(spark.each([], work)) == []


def test_work_that_fails_on_one_item_fails_the_whole_and_names_no_value(spark):
    with pytest.raises(PermanentFailure) as caught:
        list(spark.each([1, 0], lambda item: 1 // item))
    assert "Spark gave no result" in str(caught.value)


def test_tables_made_of_tables_that_are_read_twice_are_still_planned(spark, rows):
    with spark.session({"rows": rows}) as session:
        session.make("made_0", "SELECT DISTINCT position FROM rows")
        for n in range(14):  # a plan of the last one down to the rows would read them 16,384 times
            twice = f"SELECT a.position FROM made_{n} a JOIN made_{n} b ON a.position = b.position"
            assert session.make(f"made_{n + 1}", twice) == 3
