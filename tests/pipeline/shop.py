"""A shop whose till drops one file a day, and a Dagster instance that runs what its sensors request."""

import datetime as dt
from pathlib import Path
from typing import Any

import dagster as dg

from cx_orchestration.definitions import build_defs
from cx_orchestration.model import tables
from cx_orchestration.model.days import DayRange
from cx_orchestration.project import CXProject
from cx_orchestration.project.template import write_template
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Registry

STORE_TILL = """\
service: store_till
kind: files
owner: team:stores
streams:
  orders:
    files: {pattern: "drops/orders-{day}.csv", format: csv}
    record_id: order_no
    updated_at: placed_at
    events:
      - type: order.placed
        occurred_at: placed_at
        channel: store
        entity: customer_no
"""
DAYS = DayRange(dt.date(2026, 1, 1), dt.date(2026, 1, 5))


class Shop:
    """A project whose till drops one file a day, and a Dagster instance that runs what its sensors request."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, days: DayRange = DAYS) -> None:
        write_template(folder)
        settings = folder / "project.yaml"
        lines = settings.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not line.startswith(("start_date", "end_date", "time_zone"))]
        dates = [
            f"start_date: {days.first}",
            f"end_date: {days.last}",
            "time_zone: UTC",
            "retries: {times: 1, pause_seconds: 0}",
        ]
        settings.write_text("\n".join([*kept, *dates]) + "\n", encoding="utf-8")
        (folder / "services" / "store_till.yaml").write_text(STORE_TILL, encoding="utf-8")
        for each in (folder / "journeys").iterdir():
            each.unlink()
        self.folder, self.instance = folder, instance
        self.drops = folder / "drops"

    @property
    def project(self) -> CXProject:
        return CXProject.load(self.folder)

    @property
    def registry(self) -> Registry:
        return Registry(self.project.registry_url())

    def drop(self, day: dt.date, text: str | None = None) -> Path:
        file = self.drops / f"orders-{day}.csv"
        row = f"O-{day},C-1,{day}T12:00:00Z"
        file.write_text(text if text is not None else f"order_no,customer_no,placed_at\n{row}\n", encoding="utf-8")
        return file

    def tick(self, cursor: str | None = None, **resources: object) -> Any:
        defs = build_defs(self.project, resources=resources)
        with dg.build_sensor_context(
            instance=self.instance, cursor=cursor, definitions=defs, resources=dict(defs.resources or {})
        ) as context:
            return defs.get_sensor_def("integration_runs").evaluate_tick(context)

    def run(self, request: dg.RunRequest, **resources: object) -> bool:
        defs = build_defs(self.project, resources=resources)
        result = defs.resolve_job_def("integration").execute_in_process(
            instance=self.instance,
            asset_selection=list(request.asset_selection or []),
            tags=dict(request.tags),
            raise_on_error=False,
        )
        return result.success

    def loop(self, **resources: object) -> list[tuple[str, bool]]:
        """Tick and run until nothing is requested; the requests, each with its outcome."""
        done: list[tuple[str, bool]] = []
        while requests := self.tick().run_requests:
            assert len(done) < 30, "the sensor asks without end"
            done += [(request.tags["cx/request"], self.run(request, **resources)) for request in requests]
        return done

    def event_days(self) -> list[dt.date]:
        return sorted(Lake(self.project.lake_root).read(tables.EVENTS)["day"].to_pylist())
