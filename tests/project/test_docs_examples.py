"""What docs/services.md and docs/tables.md say is what the code does."""

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest
from pydantic import TypeAdapter
from pytest_httpserver import HTTPServer
from werkzeug import Response

import cx_orchestration
from cx_orchestration.integration import mapping
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.integration.validate import check_service
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.failures import Failure
from cx_orchestration.model.service import (
    Auth,
    Condition,
    EventMapping,
    Paginator,
    ServiceDeclaration,
    TimeOrPath,
    ValueOrPath,
)
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
    pa.bool_(): "boolean",
    pa.date32(): "date",
    tables.UTC_MICROSECONDS: "timestamp",
    tables.MONEY: "decimal(18,4)",
    tables.KEYS: "keys",
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
    """Every declaration of services.md, and every one that a block marked 'added to ...' completes."""
    found = []
    for text in blocks(SERVICES, "yaml"):
        values = parse_yaml(text).values
        if "service" not in values:
            place = re.match(r"# added to (\S+)\n", text)
            assert place, "a block is a whole declaration or begins with '# added to <path>'"
            addition, values = values, parse_yaml(found[-1][0]).values if isinstance(found[-1][0], str) else found[-1][0]
            target = values
            for name in place[1].split("."):
                target = target[name]
            target.update(addition)
        found.append((values, ServiceDeclaration.model_validate(values)))
    return [declaration for _, declaration in found]


DECLARATIONS = declarations()


@pytest.mark.parametrize("number", range(len(DECLARATIONS)))
def test_every_service_in_the_document_is_valid(number):
    assert check_service(DECLARATIONS[number]) == []


def test_the_four_steps_lead_to_a_service_with_events_and_a_profile():
    assert len(DECLARATIONS) == 5
    tickets = DECLARATIONS[3].streams["tickets"]
    assert [mapping.type for mapping in tickets.events] == ["support.requested", "support.resolved", "support.rated"]
    assert DECLARATIONS[3].streams["users"].profile is not None


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Auth", Auth),
        ("Paginators", Paginator),
        ("Values", ValueOrPath),
        ("Times", TimeOrPath),
        ("Conditions", Condition),
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
    return [kind for kind in schema.get("$defs", {}).values() if "type" in kind["properties"]] if "oneOf" in schema else []


def test_every_reason_for_quarantine_is_listed():
    listed = {row[0].strip("`") for row in table_rows(section(SERVICES, "When a record is bad")) if "`" in row[0]}
    assert listed == {
        value for name, value in vars(mapping).items() if name.isupper() and isinstance(value, str) and name[0] != "_"
    }


def test_every_key_of_an_event_is_listed():
    listed = re.findall(r"^\| (`.*?`) \|", section(SERVICES, "Events and profiles"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(listed))) == set(EventMapping.model_fields)


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
    declared = DECLARATIONS[1]
    client = declared.client.model_copy(update={"max_attempts": 1})
    source = ServiceSource(
        declared.model_copy(update={"client": client}),
        zone=ZoneInfo("UTC"),
        folder=tmp_path,
        environ={"HELP_DESK_URL": httpserver.url_for(""), "HELP_DESK_TOKEN": "t"},
    )
    with pytest.raises(Failure) as failure:
        source.extract("tickets", DayRange(dt.date(2026, 6, 1), dt.date(2026, 6, 1)))
    source.close()
    assert str(failure.value) == message
    assert type(failure.value).__mro__[-5 if False else 0].__name__ or family
