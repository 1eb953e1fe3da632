"""What docs/services.md and docs/tables.md say is what the code does."""

import copy
import datetime as dt
import re
from decimal import Decimal
from functools import reduce
from operator import getitem
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest
from pydantic import TypeAdapter
from pytest_httpserver import HTTPServer
from werkzeug import Response

import cx_orchestration
from cx_orchestration.assets.edge import table_metadata
from cx_orchestration.integration import mapping
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.integration.validate import check_service
from cx_orchestration.model import tables
from cx_orchestration.model.connection import Auth, RetryRule
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.endpoint import Endpoint, Paginator, Parent, Window
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.model.service import EventMapping, ServiceDeclaration, Stream
from cx_orchestration.model.values import Condition, TimeOrPath, ValueOrPath
from cx_orchestration.project.ready_made import extended
from cx_orchestration.project.yaml_files import parse_yaml
from cx_orchestration.storage.lake import Lake

DOCS = Path(cx_orchestration.__file__).parent.parent / "docs"
SERVICES = (DOCS / "services.md").read_text(encoding="utf-8")
TABLES = (DOCS / "tables.md").read_text(encoding="utf-8")

TYPES = {
    pa.string(): "text",
    pa.float64(): "double",
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.list_(pa.int32()): "ints",
    pa.list_(pa.int64()): "bigints",
    pa.bool_(): "boolean",
    pa.date32(): "date",
    tables.UTC_MICROSECONDS: "timestamp",
    tables.MONEY: "decimal(18,4)",
    tables.KEYS: "keys",
    tables.DROPPED: "dropped keys",
}


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def section(text, heading):
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,3}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section '{heading}'"
    return found[2]


def table_rows(text):
    """The cells of all tables of a text, without headings."""
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in row]
        for above, row in zip([None, *rows], rows, strict=False)
        if above is not None and not re.fullmatch(r"[-|]+", row[0]) and above != row
    ]


def declarations():
    """Every declaration of services.md; a block marked 'added to ...' stands for the one above with its keys added,
    at its top where a file is named."""
    found = []
    for text in blocks(SERVICES, "yaml"):
        content, errors = extended("services.md", parse_yaml(text))
        assert errors == []
        values = content.values
        if "service" not in values:
            place = re.match(r"# added to (\S+)\n", text)
            assert place, "a block is a whole declaration or begins with '# added to <path>'"
            whole = copy.deepcopy(found[-1])
            reduce(getitem, () if "/" in place[1] else place[1].split("."), whole).update(values)
            values = whole
        found.append(values)
    return [ServiceDeclaration.model_validate(values) for values in found]


DECLARATIONS = declarations()


@pytest.mark.parametrize("number", range(len(DECLARATIONS)))
def test_every_service_in_the_document_is_valid(number):
    assert check_service(DECLARATIONS[number]) == []


def test_the_four_steps_lead_to_a_service_with_events_and_a_profile():
    assert len(DECLARATIONS) == 7
    tickets = DECLARATIONS[4].streams["tickets"]
    assert [mapping.type for mapping in tickets.events] == ["support.requested", "support.resolved", "support.rated"]
    assert DECLARATIONS[4].streams["users"].profile is not None


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Auth", Auth),
        ("Paginators", Paginator),
        ("Values", ValueOrPath),
        ("Times", TimeOrPath),
        ("Conditions", Condition),
        ("Answers that mean later", RetryRule),
    ],
)
def test_every_short_example_is_valid_and_every_kind_has_one(heading, model):
    examples = [row[0].strip("`") for row in table_rows(section(SERVICES, heading)) if row[0].startswith("`{")]
    values = [parse_yaml(example).values for example in examples]
    parsed = [TypeAdapter(model).validate_python(value) for value in values]
    kinds = {kind["properties"]["type"]["const"] for kind in _kinds(model)}
    assert {one.type for one in parsed if kinds} == kinds
    if not kinds:
        declared = set(type(parsed[0]).model_fields)
        assert {key for value in values for key in value} == declared


def _kinds(model):
    schema = TypeAdapter(model).json_schema()
    return (
        [kind for kind in schema.get("$defs", {}).values() if "type" in kind["properties"]] if "oneOf" in schema else []
    )


def test_every_reason_for_quarantine_is_listed():
    listed = {row[0].strip("`") for row in table_rows(section(SERVICES, "When a record is bad")) if "`" in row[0]}
    assert listed == {
        value for name, value in vars(mapping).items() if name.isupper() and isinstance(value, str) and name[0] != "_"
    }


def test_every_key_of_an_event_is_listed():
    listed = re.findall(r"^\| (`.*?`) \|", section(SERVICES, "Events and profiles"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(listed))) == set(EventMapping.model_fields)


@pytest.mark.parametrize(
    ("heading", "model"), [("Service", Endpoint), ("Service", Stream), ("Window", Window), ("Parents", Parent)]
)
def test_every_key_of_what_is_asked_for_is_listed(heading, model):
    named = " ".join(row[0] for row in table_rows(section(SERVICES, heading)) if row[0].startswith("`"))
    keys = {field.alias or name for name, field in model.model_fields.items()}
    assert keys <= set(re.findall(r"\w+", named)) | {"description"}


BAD_ANSWERS = [
    Response("<html>Log in</html>", mimetype="text/html"),
    Response('{"error": "busy"}', mimetype="application/json"),
    Response('{"tickets": [], "meta": {}}', mimetype="application/json"),
    Response('{"tickets": [], "meta": {"next_cursor": "c1"}}', mimetype="application/json"),
    Response(status=401),
    Response(status=404),
    Response(status=429, headers={"Retry-After": "120"}),
    Response(status=503),
]


@pytest.mark.parametrize("number", range(len(BAD_ANSWERS)))
def test_a_bad_page_fails_with_the_message_in_the_document(httpserver: HTTPServer, tmp_path, number):
    rows = [row for row in table_rows(section(SERVICES, "When a page is not what was declared")) if len(row) == 3]
    assert len(rows) == len(BAD_ANSWERS)
    _, family, message = rows[number]
    httpserver.expect_request("/api/tickets").respond_with_response(BAD_ANSWERS[number])
    declared = DECLARATIONS[2]
    client = declared.client.model_copy(update={"max_attempts": 1})
    source = ServiceSource(
        declared.model_copy(update={"client": client}),
        zone=ZoneInfo("UTC"),
        folder=tmp_path,
        environ={"HELP_DESK_URL": httpserver.url_for(""), "HELP_DESK_TOKEN": "t"},
    )
    with pytest.raises({"permanent": PermanentFailure, "transient": TransientFailure}[family]) as failure:
        list(source.read("tickets", DayRange(dt.date(2026, 6, 1), dt.date(2026, 6, 1))))
    source.close()
    assert str(failure.value) == message


# --- tables.md ------------------------------------------------------------------------------------------------------


def documented():
    """By path: the line of grain and partitions, and the columns with their types and meanings."""
    found = {}
    for path, text in re.findall(r"^### `(.+?)`\n(.*?)(?=^##|\Z)", TABLES, re.MULTILINE | re.DOTALL):
        found[path] = (text.strip().splitlines()[0], [(row[0].strip("`"), *row[1:]) for row in table_rows(text)])
    return found


def declared(table):
    partitions = ", ".join(f"`{name}`" for name in table.partition_by)
    line = f"Grain: {table.grain}." + (f" Partitions: {partitions}." if partitions else "")
    return line, [(field.name, TYPES[field.type], table.meanings[field.name]) for field in table.schema]


LANDED = tables.landed("<service>", "<stream>")
ALL_TABLES = {**tables.DECLARED, LANDED.path: LANDED}


def test_the_document_has_exactly_the_declared_tables_columns_and_meanings():
    assert documented() == {path: declared(table) for path, table in ALL_TABLES.items()}


@pytest.mark.parametrize("path", ALL_TABLES)
def test_every_column_says_what_it_means_beside_the_schema_and_not_in_it(path):
    table = ALL_TABLES[path]
    assert list(table.meanings) == table.schema.names
    assert all(table.meanings.values())
    assert table.schema.equals(table.schema.remove_metadata(), check_metadata=True)
    assert all(field.metadata is None for field in table.schema)


@pytest.mark.parametrize("path", ALL_TABLES)
def test_dagster_shows_the_same_meanings(path):
    table = ALL_TABLES[path]
    columns = table_metadata(table)["dagster/column_schema"].columns
    assert {column.name: column.description for column in columns} == table.meanings


ADA, BOB = "aaaaaaaa-0000-5000-8000-000000000001", "bbbbbbbb-0000-5000-8000-000000000002"
FORMER = "cccccccc-0000-5000-8000-000000000003"


def event(number, day, service, entity, event_type, amount=None):
    return {
        **dict.fromkeys(tables.EVENTS.schema.names),
        **{"event_id": f"e{number}", "type": event_type, "service": service, "entity": entity, "keys": []},
        **{"occurred_at": dt.datetime(2026, 6, number, 8, tzinfo=dt.UTC), "amount": amount, "attributes": "{}"},
        "day": dt.date(2026, 6, day),
    }


@pytest.fixture
def small_lake(lake: Lake) -> Lake:
    """Ada is known to two services and once had another id; one of her events is reported by two days."""
    stripe = [
        event(1, 1, "stripe", "cus_1", "payment.succeeded", Decimal("19.0000")),
        event(2, 2, "stripe", "cus_2", "payment.succeeded", Decimal("9.0000")),
    ]
    zendesk = [
        event(3, 3, "zendesk", "7", "support.requested"),
        event(3, 4, "zendesk", "7", "support.requested"),
    ]
    since = dt.datetime(2026, 6, 5, tzinfo=dt.UTC)
    who = [("stripe", "cus_1", ADA), ("stripe", "cus_2", BOB), ("zendesk", "7", ADA)]
    days = (dt.date(2026, 6, 1), dt.date(2026, 6, 30))
    for service, rows in (("stripe", stripe), ("zendesk", zendesk)):
        rows = pa.Table.from_pylist(rows, schema=tables.EVENTS.schema)
        lake.replace(tables.EVENTS, rows, where={"service": service, "day": days}, run_id=f"run-{service}")
    for table, rows in (
        (tables.IDENTITY_MAP, [(*row, since) for row in who]),
        (tables.CUSTOMER_ALIASES, [(FORMER, ADA, "merged", since)]),
        (tables.INTEGRATION_PLAN, [(2, "zendesk"), (1, "stripe")]),
    ):
        names = table.schema.names
        filled = [{**dict.fromkeys(names), **dict(zip(names, row, strict=False))} for row in rows]
        lake.replace(table, pa.Table.from_pylist(filled, schema=table.schema), run_id="run-1")
    return lake


SNIPPETS = {
    "counted by service": ["payment.succeeded", "support.requested"],
    "counted by day": ["2026-06-01", "2026-06-02"],
    "the plan": ["stripe", "zendesk"],
    "earlier versions": ["run-zendesk", "run-stripe"],
}


@pytest.mark.parametrize("number", range(len(SNIPPETS)), ids=list(SNIPPETS))
def test_a_reader_of_the_document_sees_rows(small_lake, number, monkeypatch, capsys):
    snippets = blocks(TABLES, "python")
    assert len(snippets) == len(SNIPPETS)
    monkeypatch.chdir(small_lake.root.parent)
    names: dict[str, object] = {}
    exec(snippets[number], names)
    shown = capsys.readouterr().out
    places = [shown.find(word) for word in list(SNIPPETS.values())[number]]
    assert -1 not in places
    assert places == sorted(places)
    if "before" in names:
        assert set(names["before"]["service"]) == {"stripe"}


@pytest.mark.parametrize("customer_id", [ADA, FORMER], ids=["today's id", "an id from before a merge"])
def test_the_documented_sql_gives_a_customers_path_each_event_once(small_lake, customer_id):
    with duckdb.connect() as connection:
        for table in (tables.EVENTS, tables.IDENTITY_MAP, tables.CUSTOMER_ALIASES):
            connection.register(table.path.split("/")[1], small_lake.read(table))
        (sql,) = blocks(TABLES, "sql")
        path = connection.execute(sql, {"customer_id": customer_id}).to_arrow_table().to_pylist()
    assert [(row["service"], row["type"]) for row in path] == [
        ("stripe", "payment.succeeded"),
        ("zendesk", "support.requested"),
    ]
