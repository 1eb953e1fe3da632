"""The JSON Schemas that editors use say what the models say."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

import cx_orchestration
from cx_orchestration.project.schemas import FILE_KINDS, SHIPPED, schema_texts, stale_schemas, write_schemas
from cx_orchestration.project.wording import pattern_words
from cx_orchestration.project.yaml_files import read_yaml

PACKAGE = Path(cx_orchestration.__file__).parent
DEMO = PACKAGE / "demo" / "project"

SHIPPED_FILES = [
    *(
        (kind, file)
        for kind in FILE_KINDS
        for root in (PACKAGE / "project_template", DEMO)
        for file in root.glob(kind.files)
    ),
    *((kind, PACKAGE / "scoring" / "default_scoring.yaml") for kind in FILE_KINDS if kind.name == "scoring"),
]


def schema(kind):
    return json.loads((SHIPPED / kind.schema_file).read_text())


def test_the_shipped_schemas_are_current():
    assert stale_schemas(SHIPPED) == []


def test_a_schema_that_was_touched_or_is_missing_is_stale(tmp_path):
    write_schemas(tmp_path)
    assert stale_schemas(tmp_path) == []
    (tmp_path / "journey.schema.json").write_text("{}")
    (tmp_path / "service.schema.json").unlink()
    assert stale_schemas(tmp_path) == ["service.schema.json", "journey.schema.json"]


@pytest.mark.parametrize("kind", FILE_KINDS, ids=lambda kind: kind.name)
def test_each_schema_is_a_valid_schema(kind):
    jsonschema.Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize(
    ("kind", "file"), SHIPPED_FILES, ids=[str(file.relative_to(PACKAGE)) for _, file in SHIPPED_FILES]
)
def test_each_yaml_file_that_ships_is_valid_under_its_schema(kind, file):
    jsonschema.validate(read_yaml(file).values, schema(kind), cls=jsonschema.Draft202012Validator)


def test_the_schemas_refuse_what_the_models_refuse(folder):
    service = next(kind for kind in FILE_KINDS if kind.name == "service")
    validator = jsonschema.Draft202012Validator(schema(service))
    right = (folder / "services/store_till.yaml").read_text()
    for old, new in (
        ("kind: files", "knd: files"),
        ("format: csv", "format: excel"),
        ("  customers:", "  Customers:"),
        ("entity: customer_no", "entity: 5"),
        ("- type: customer.registered", "- type: Customer Registered"),
    ):
        assert old in right
        broken = folder / "broken.yaml"
        broken.write_text(right.replace(old, new, 1))
        assert not validator.is_valid(read_yaml(broken).values), new


def test_short_forms_are_allowed_where_the_models_allow_them(folder):
    event = {"type": "a.b", "occurred_at": "t", "channel": "web", "entity": {"coalesce": ["a", {"path": "b"}]}}
    stream = {
        "record_id": "id",
        "updated_at": {"path": "t"},
        "files": {"pattern": "x", "format": "csv"},
        "events": [event],
    }
    service = next(kind for kind in FILE_KINDS if kind.name == "service")
    jsonschema.validate({"service": "x", "kind": "files", "streams": {"s": stream}}, schema(service))


def test_every_pattern_of_the_schemas_can_be_told_in_words():
    texts = "".join(schema_texts().values())
    patterns = {json.loads(f'"{found}"') for found in re.findall(r'"pattern": "(.*)"', texts)}
    assert len(patterns) > 3
    assert {pattern for pattern in patterns if pattern in pattern_words(pattern)} <= {"%"}


def test_the_files_of_a_new_project_point_to_their_schemas(folder):
    for kind in FILE_KINDS:
        for file in folder.glob(kind.files):
            pointer = re.match(r"# yaml-language-server: \$schema=(\S+)\n", file.read_text())
            assert pointer, file
            assert (file.parent / pointer[1]).resolve() == folder / ".schema" / kind.schema_file
    assert stale_schemas(folder / ".schema") == []
