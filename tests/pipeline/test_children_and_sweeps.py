"""One run lands parents before their children, alone children say what is missing, and a sweep says what it kept."""

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pytest_httpserver import HTTPServer
from shop import Shop
from werkzeug import Request, Response

from cx_orchestration.definitions import build_defs
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.partitions import range_tags
from cx_orchestration.storage.lake import Lake

DECLARED = """\
service: store_till
kind: rest
client: {base_url: "URL", rate: {per_second: 1000}}
streams:
  lines:
    endpoint: {path: "/orders/{parent.id}/lines", data_selector: $, paginator: {type: single_page}}
    parent: {stream: orders}
    record_id: id
  orders:
    endpoint: {path: /orders, data_selector: $, paginator: {type: single_page}}
    record_id: id
    updated_at: at
  prices:
    endpoint: {path: /prices, data_selector: $, paginator: {type: single_page}}
    record_id: id
    sweep: hash
"""
PRICES = {"P-1": 3}
ORDERS = [{"id": "O-1", "at": "2026-01-01T12:00:00Z"}, {"id": "O-2", "at": "2026-01-02T12:00:00Z"}]


@pytest.fixture
def shop(tmp_path: Path, httpserver: HTTPServer) -> Iterator[Shop]:
    def answer(request: Request) -> Response:
        match request.path.strip("/").split("/"):
            case ["orders"]:
                found: Any = ORDERS
            case ["prices"]:
                found = [{"id": name, "price": price} for name, price in PRICES.items()]
            case [_, order, _]:
                found = [{"id": f"{order}/1"}]
        return Response(json.dumps(found), mimetype="application/json")

    httpserver.expect_request(re.compile(".*")).respond_with_handler(answer)
    with dg.DagsterInstance.ephemeral() as instance:
        found = Shop(tmp_path / "shop", instance)
        declared = DECLARED.replace("URL", httpserver.url_for("").rstrip("/"))
        (found.folder / "services" / "store_till.yaml").write_text(declared, encoding="utf-8")
        yield found


def run(shop: Shop, first: int, last: int, *streams: str) -> Any:
    job = build_defs(shop.project).resolve_job_def("integration")
    keys = [dg.AssetKey(["landing", "store_till", stream]) for stream in streams]
    days = DayRange(dt.date(2026, 1, first), dt.date(2026, 1, last))
    return job.execute_in_process(
        instance=shop.instance, asset_selection=keys, tags=range_tags(days), raise_on_error=False
    )


def landed(shop: Shop, stream: str) -> list[tuple[int, str]]:
    rows = Lake(shop.project.lake_root).read(tables.landed("store_till", stream)).to_pylist()
    return sorted((row["day"].day, row["record_id"]) for row in rows)


def test_one_run_lands_parents_before_their_children(shop: Shop) -> None:
    assert run(shop, 1, 2, "lines", "orders").success
    assert landed(shop, "lines") == [(1, "O-1/1"), (2, "O-2/1")]


def test_children_without_their_parents_day_fail_and_say_what_to_do(shop: Shop) -> None:
    assert run(shop, 1, 1, "orders").success
    assert not run(shop, 1, 2, "lines").success
    assert landed(shop, "lines") == [(1, "O-1/1")]
    (left,) = shop.registry.failed()
    assert (left.day, left.failure) == (dt.date(2026, 1, 2), "PermanentFailure")
    assert "materialize landing/store_till/orders for that day first" in left.message


def test_an_older_day_of_a_sweep_keeps_what_it_holds_and_says_so(shop: Shop) -> None:
    assert run(shop, 2, 2, "prices").success
    result = run(shop, 1, 2, "prices")
    assert result.success
    kept = {
        event.partition: "kept" in event.event_specific_data.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    assert kept == {"2026-01-01": True, "2026-01-02": False}
    assert landed(shop, "prices") == [(2, "P-1")]


def test_an_older_day_of_a_sweep_is_kept_when_only_days_without_changes_landed_after_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (1, 2, 3):
        assert run(shop, day, day, "prices").success
    monkeypatch.setitem(PRICES, "P-1", 5)
    assert run(shop, 1, 2, "prices").success
    assert landed(shop, "prices") == [(1, "P-1")]
    (payload,) = Lake(shop.project.lake_root).read(tables.landed("store_till", "prices"))["payload"].to_pylist()
    assert json.loads(payload)["price"] == 3
    assert run(shop, 3, 3, "prices").success
    assert landed(shop, "prices") == [(1, "P-1"), (3, "P-1")]
