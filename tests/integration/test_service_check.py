"""What the check of a declaration finds beyond its shape."""

from typing import Any

import pytest
from integration_fakes import stream_for

from cx_orchestration.integration.validate import check_service
from cx_orchestration.model.service import ServiceDeclaration

SINCE = {"since": "{window.start}"}
EVENT = {"type": "order.placed", "occurred_at": "at", "channel": "web", "entity": "customer"}


def errors(**changes: Any) -> list[tuple[str, str]]:
    stream = stream_for(**changes)
    kind = "files" if stream.files else "rest"
    others = {stream.parent.stream: stream_for().model_dump()} if stream.parent else {}
    declaration = ServiceDeclaration.model_validate(
        {
            "service": "shop",
            "kind": kind,
            "client": {"base_url": "http://x"} if kind == "rest" else None,
            "streams": {"orders": stream.model_dump(), **others},
        }
    )
    return [(error.path, error.value) for error in check_service(declaration)]


def endpoint(**changes: Any) -> dict[str, Any]:
    return {"path": "/x", "data_selector": "data", "paginator": {"type": "single_page"}, **changes}


def test_a_good_declaration_has_no_errors() -> None:
    window = {"params": {"since": "{window.start}", "filter": '{"a": 1}'}, "window": {"format": "%Y-%m-%d"}}
    assert errors(endpoint=endpoint(**window), events=[EVENT]) == []


def test_placeholders_may_stand_in_json_and_graphql_is_none() -> None:
    query = {"query": "{orders{id}}", "since": "{window.start}", "after": ["{tie_break.id}"]}
    declared = endpoint(
        method="POST", json=query, window={}, max_results_per_query=10, tie_break={"id_path": "id"}, path="/{parent.id}"
    )
    assert errors(endpoint=declared, parent={"stream": "tickets"}) == []


def test_an_error_names_the_file_the_way_and_what_was_expected() -> None:
    declaration = ServiceDeclaration.model_validate(
        {
            "service": "shop",
            "kind": "rest",
            "client": {"base_url": "http://x"},
            "streams": {"orders": stream_for(record_id="a b").model_dump()},
        }
    )
    (error,) = check_service(declaration)
    assert str(error) == (
        'services/shop.yaml: streams.orders.record_id.path: expected a path such as a.b[0]."odd name".c; '
        "it breaks at character 2 (found a b)"
    )
    assert check_service(declaration, "elsewhere.yaml")[0].file == "elsewhere.yaml"


@pytest.mark.parametrize(
    ("written", "looked_at"), [("date", "day"), ("%Y-%m-%d %H", "hour"), ("iso", "minute"), ("epoch_s", "day")]
)
def test_a_service_may_look_at_what_its_format_writes_or_at_longer_spans(written: str, looked_at: str) -> None:
    window = {"format": written, "granularity": looked_at}
    assert errors(endpoint=endpoint(params=SINCE, window=window)) == []


BAD = "streams.orders"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        *(
            (
                {"endpoint": endpoint(params=SINCE, window={"format": written, "granularity": looked_at})},
                (f"{BAD}.endpoint.window.granularity", looked_at),
            )
            for written, looked_at in (("date", "hour"), ("date", "minute"), ("%Y%m%d", "hour"), ("%H", "minute"))
        ),
        ({"updated_at": "a..b"}, (f"{BAD}.updated_at", "a..b")),
        ({"updated_at": {"coalesce": ["a", "b["]}}, (f"{BAD}.updated_at", "b[")),
        ({"updated_at": {"path": "a", "format": "%Q"}}, (f"{BAD}.updated_at.format", "%Q")),
        ({"record_id": {"path": "a", "scale": 2}}, (f"{BAD}.record_id.scale", "2.0")),
        ({"endpoint": endpoint(data_selector="a b")}, (f"{BAD}.endpoint.data_selector", "a b")),
        (
            {"endpoint": endpoint(paginator={"type": "cursor", "cursor_path": "a.", "cursor_param": "c"})},
            (f"{BAD}.endpoint.paginator.cursor_path", "a."),
        ),
        (
            {"endpoint": endpoint(path="/{window.begin}", window={})},
            (f"{BAD}.endpoint.path", "{window.begin}"),
        ),
        ({"endpoint": endpoint(params={"q": "{window.start}"})}, (f"{BAD}.endpoint.params.q", "{window.start}")),
        ({"endpoint": endpoint(window={})}, (f"{BAD}.endpoint.window", "")),
        (
            {"endpoint": endpoint(method="POST", json={"all": [{"q": "{window.begin}"}]})},
            (f"{BAD}.endpoint.json.all[0].q", "{window.begin}"),
        ),
        (
            {"endpoint": endpoint(method="POST", json={"all": {"q": "{window.start}"}})},
            (f"{BAD}.endpoint.json.all.q", "{window.start}"),
        ),
        ({"endpoint": endpoint(path="/{tie_break.id}")}, (f"{BAD}.endpoint.path", "{tie_break.id}")),
        (
            {"endpoint": endpoint(max_results_per_query=10, tie_break={"id_path": "id"})},
            (f"{BAD}.endpoint.tie_break", ""),
        ),
        (
            {
                "endpoint": endpoint(
                    params={"a": "{tie_break.id}"}, max_results_per_query=9, tie_break={}, order={"by": "created"}
                )
            },
            (f"{BAD}.endpoint.order.by", "created"),
        ),
        ({"endpoint": endpoint(path="/{parent.id}")}, (f"{BAD}.endpoint.path", "{parent.id}")),
        ({"endpoint": endpoint(), "parent": {"stream": "tickets"}}, (f"{BAD}.endpoint", "")),
        (
            {"endpoint": endpoint(path="/{parent.a[}"), "parent": {"stream": "tickets"}},
            (f"{BAD}.endpoint.path", "a["),
        ),
        (
            {
                "endpoint": endpoint(path="/{parent.id}"),
                "parent": {"stream": "tickets", "when": [{"path": "a b", "exists": True}]},
            },
            (f"{BAD}.parent.when[0].path", "a b"),
        ),
        ({"endpoint": endpoint(order={"by": "a b"})}, (f"{BAD}.endpoint.order.by", "a b")),
        ({"endpoint": endpoint(required_keys=["id", "a b"])}, (f"{BAD}.endpoint.required_keys[1]", "a b")),
        (
            {"endpoint": endpoint(complete_when={"path": "a b", "equals": True})},
            (f"{BAD}.endpoint.complete_when.path", "a b"),
        ),
        ({"endpoint": endpoint(data_selector="a[*].b c")}, (f"{BAD}.endpoint.data_selector", "b c")),
        (
            {"tombstones": {"type": "flag", "when": [{"path": "a b", "exists": True}]}},
            (f"{BAD}.tombstones.when[0].path", "a b"),
        ),
        (
            {
                "tombstones": {
                    "type": "feed",
                    "endpoint": endpoint(path="/{parent.id}"),
                    "record_id": "id",
                    "deleted_at": "at",
                }
            },
            (f"{BAD}.tombstones.endpoint.path", "{parent.id}"),
        ),
        (
            {"endpoint": endpoint(path="/{window.start}", window={"format": "%s"})},
            (f"{BAD}.endpoint.window.format", "%s"),
        ),
        ({"events": [{**EVENT, "when": [{"path": "", "exists": True}]}]}, (f"{BAD}.events[0].when[0].path", "")),
        ({"events": [{**EVENT, "keys": {"email": "a["}}]}, (f"{BAD}.events[0].keys.email.path", "a[")),
        (
            {"events": [{**EVENT, "entity": {"concat": ["a", {"coalesce": ["b", "c["]}]}}]},
            (f"{BAD}.events[0].entity.concat[1].coalesce[1].path", "c["),
        ),
        (
            {"events": [{**EVENT, "amount": {"path": "a", "scale": 1.123456789012345}, "currency": "c"}]},
            (f"{BAD}.events[0].amount.scale", "1.123456789012345"),
        ),
        (
            {"events": [{**EVENT, "amount": {"path": "a", "default": "none"}, "currency": "c"}]},
            (f"{BAD}.events[0].amount.default", "none"),
        ),
        (
            {"events": [{**EVENT, "type": {"path": "a", "map": {"x": "Not A Type"}}}]},
            (f"{BAD}.events[0].type.map", "Not A Type"),
        ),
        ({"profile": {"entity": "a", "city": "b["}}, (f"{BAD}.profile.city.path", "b[")),
        ({"profile": {"entity": "a", "attributes": {"x": "b["}}}, (f"{BAD}.profile.attributes.x.path", "b[")),
    ],
)
def test_a_fault_is_found_where_it_stands(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert errors(**changes) == [expected]


@pytest.mark.parametrize(
    ("drop", "key"),
    [
        ({"pattern": "../secrets.csv"}, "pattern"),
        ({"pattern": "a/../../b.csv"}, "pattern"),
        ({"pattern": "/etc/passwd"}, "pattern"),
        ({"pattern": " "}, "pattern"),
        ({"pattern": "{month}.csv"}, "pattern"),
        ({"pattern": "{day}.csv", "day_format": "%d-%m"}, "day_format"),
        ({"pattern": "{day}.csv", "day_format": "%Y-%Q-%m-%d"}, "day_format"),
        ({"pattern": "a.csv", "delimiter": "||"}, "delimiter"),
    ],
)
def test_a_pattern_stays_in_the_project_folder_and_can_be_read(drop: dict[str, str], key: str) -> None:
    found = errors(endpoint=None, files={"format": "csv", **drop})
    assert [path for path, _ in found] == [f"{BAD}.files.{key}"]


def mapped(*whens: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return errors(events=[{**EVENT, "when": when} for when in whens])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([], []),
        ([{"path": "a", "any_of": ["x", "y"]}], [{"path": "a", "any_of": ["y", "z"]}]),
        ([{"path": "a", "any_of": ["x"]}], [{"path": "b", "any_of": ["y"]}]),
        ([{"path": "a", "any_of": ["x", "y"]}], [{"path": "a", "none_of": ["y"]}]),
        ([{"path": "a", "exists": True}], [{"path": "a", "any_of": ["x"]}]),
    ],
)
def test_two_events_of_one_type_that_a_record_may_both_fit_are_refused(one: Any, other: Any) -> None:
    assert mapped(one, other) == [(f"{BAD}.events[1].type", "order.placed")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([{"path": "a", "any_of": ["x"]}], [{"path": "a", "any_of": ["y"]}]),
        ([{"path": "a", "any_of": ["x"]}], [{"path": "a", "none_of": ["x", "y"]}]),
        ([{"path": "a", "exists": False}], [{"path": "a", "exists": True}]),
        ([{"path": "a", "any_of": ["x"]}], [{"path": "a", "exists": False}, {"path": "b", "exists": True}]),
    ],
)
def test_two_events_of_one_type_may_exclude_each_other(one: Any, other: Any) -> None:
    assert mapped(one, other) == []


def test_types_of_a_map_count_as_well() -> None:
    kinds = {**EVENT, "type": {"path": "kind", "map": {"a": "order.placed", "b": "order.sent"}}}
    assert errors(events=[kinds, EVENT]) == [(f"{BAD}.events[1].type", "order.placed")]
