"""A company of two services whose nights can be lived one after another: files in, customers out."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from cx_orchestration.identity.customers import EXPORTS, build_customers, export_documents
from cx_orchestration.identity.links import update_links
from cx_orchestration.identity.profiles import update_profiles
from cx_orchestration.identity.resolve import resolve
from cx_orchestration.integration.landing import Landing, land
from cx_orchestration.integration.mapping import map_events
from cx_orchestration.integration.profiles import map_profiles
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.tables import IDENTITY_MAP
from cx_orchestration.project import CXProject
from cx_orchestration.project.template import write_template
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake
from cx_orchestration.storage.registry import Registry

DAYS = DayRange(dt.date(2026, 1, 1), dt.date(2026, 1, 3))
#: When persons are erased, and a time after it.
ERASED_AT = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)
AFTER = "2026-01-03T08:00:00Z"

_SERVICES: dict[str, Any] = {
    "store_till": {
        "contacts": {
            "record_id": "id",
            "updated_at": "at",
            "profile": {
                "entity": "id",
                "keys": {"email": "email", "phone": "phone"},
                "name": "name",
                "street": "street",
            },
        }
    },
    "help_desk": {
        "tickets": {
            "record_id": "id",
            "updated_at": "at",
            "events": [
                {
                    "type": "support.requested",
                    "occurred_at": "at",
                    "channel": "email",
                    "entity": "requester.id",
                    "keys": {"email": "requester.email"},
                    "attributes": {"topic": "topic"},
                }
            ],
        }
    },
}


def write_company(folder: Path) -> None:
    write_template(folder)
    for old in (*(folder / "services").iterdir(), *(folder / "journeys").iterdir()):
        old.unlink()
    for service, streams in _SERVICES.items():
        for name, stream in streams.items():
            stream["files"] = {"pattern": f"drops/{service}_{name}.jsonl", "format": "jsonl"}
        declared = {"service": service, "kind": "files", "streams": streams}
        (folder / "services" / f"{service}.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))


class Company:
    """Two services that drop JSON Lines, and everything that a night makes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = CXProject.load(folder)
        self.registry = Registry(self.project.registry_url())
        self.lake, self.engine = Lake(self.project.lake_root), Engine()

    def drop(self, service: str, *records: dict[str, Any]) -> None:
        """What the service serves from now on."""
        (name,) = _SERVICES[service]
        text = "".join(json.dumps(record) + "\n" for record in records)
        (self.folder / "drops" / f"{service}_{name}.jsonl").write_text(text)

    def land(self, service: str, lake: Lake | None = None) -> Landing:
        declared = self.project.services[service]
        (name,) = declared.streams
        source = ServiceSource(declared, zone=self.project.zone, folder=self.folder, environ={})
        tombstones = self.registry.erasures.tombstones(self.project.environ, service=service)
        return land(lake or self.lake, source, name, DAYS, run_id="r", now=ERASED_AT, tombstones=tombstones)

    def night(self, now: dt.datetime = ERASED_AT) -> None:
        """Every partition of every service anew, then customers."""
        for service, declared in self.project.services.items():
            assert not self.land(service).failures
            map_events(self.engine, self.lake, declared, DAYS, run_id="r")
        found = map_profiles(self.engine, self.lake, self.project.services)
        update_profiles(self.lake, self.engine, found.profiles, found.keys, self.project.identity, run_id="r")
        update_links(self.lake, self.engine, self.project.identity, now=now, run_id="r")
        resolve(self.lake, self.engine, now=now, run_id="r")
        build_customers(self.lake, self.engine, self.project.identity, now=now, run_id="r")
        export_documents(self.lake, self.engine, self.lake.root / EXPORTS)

    def customers(self) -> dict[str, str]:
        """The customer of each entity."""
        rows = self.lake.read(IDENTITY_MAP).to_pylist()
        return {f"{row['service']}/{row['entity']}": row["customer_id"] for row in rows}

    def kept(self) -> str:
        """All that lake and registry hold, as text; not what the services still serve."""
        found = []
        for path in [*self.lake.root.rglob("*"), *self.folder.glob("registry.db*")]:
            if path.is_file():
                content = path.read_bytes().decode("utf-8", "replace")
                if path.suffix == ".parquet":
                    content += json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str, ensure_ascii=False)
                found.append(content)
        return "\n".join(found)


def contact(number: str, name: str, email: str, phone: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "at": "2026-01-01T10:00:00Z", "name": name, "email": email, "phone": phone,
        "street": f"{name.split()[-1]} Street 1", **more,
    }  # fmt: skip


def ticket(number: str, who: str, email: str, topic: str = "late", **more: Any) -> dict[str, Any]:
    return {
        "id": number, "at": "2026-01-02T09:00:00Z", "requester": {"id": who, "email": email}, "topic": topic, **more,
    }  # fmt: skip


ANNA = contact("C-1001", "Annaberta Quillfeather", "Anna.Q@example.net", "+1 212 555 0144")
BOB = contact("C-1002", "Bob Marrow", "bob@example.net", "+1 212 555 0145")
#: What nobody but Anna has, as received and normalised.
ANNAS = ("C-1001", "Quillfeather", "anna.q@example.net", "Anna.Q@example.net", "555 0144", "5550144", "U-77", "T-1")
