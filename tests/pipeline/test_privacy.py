"""No person's data and no credential in what Dagster or the registry keep, on success and on failure."""

import re
from pathlib import Path

import dagster as dg
import orjson
import pytest
from demo_site import Site

from cx_orchestration.demo.company import Company
from cx_orchestration.model.days import DayRange


def personal_values(company: Company) -> set[bytes]:
    """E-mail addresses and phone numbers of everybody, as the services know them."""
    everything = b"\n".join(
        record if isinstance(record, bytes) else orjson.dumps(record)
        for streams in company.records.values()
        for stream in streams.values()
        for record in stream.records
    )
    emails = re.findall(rb'"[^"@\s]+@[^"@\s]+\.[a-z]+"', everything)
    phones = re.findall(rb'"\+?[\d() .-]{10,18}\d"', everything)
    return {value.strip(b'"') for value in [*emails, *phones]}


def kept(*folders: Path) -> bytes:
    return b"\n".join(file.read_bytes() for folder in folders for file in folder.rglob("*") if file.is_file())


@pytest.mark.long
def test_what_dagster_and_the_registry_keep_names_nobody(
    site: Site, company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = personal_values(company)
    assert len(people) > 200
    secrets = {value.encode() for name, value in site.environ.items() if not name.endswith(("_URL", "_USER"))}
    monkeypatch.setenv("CX_DISCOURSE_KEY", "canary-0f3c5a")
    monkeypatch.setenv("CX_ZENDESK_URL", "http://127.0.0.1:9/zendesk?token=canary-77b1")
    days = site.project.days()
    assert days is not None
    home = tmp_path / "dagster"
    home.mkdir()
    result = site.run(DayRange(days.first, days.first), instance=dg.DagsterInstance.local_temp(str(home)))
    assert {failure.asset.split("/")[1] for failure in result.failures} == {"discourse", "zendesk"}
    registry = site.folder / "registry.db"
    blob = kept(home) + registry.read_bytes()
    assert len(blob) > 100_000
    assert [value for value in people if value in blob] == []
    assert [secret for secret in secrets if len(secret) > 8 and secret in blob] == []
    assert b"canary" not in blob
