"""Two persons are erased and everything is run again while the services still serve them: they are nowhere."""

import json
import re
import shutil
import stat
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from demo_site import Site
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.model.tables import IDENTITY_MAP, PROFILES


def cx(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == exit_code, result.output
    return result.output


def everything(*folders: Path) -> dict[str, bytes]:
    """All that is kept, by file: Parquet as text too, since its pages are compressed."""
    found = {}
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str, ensure_ascii=False).encode()
        found[str(path)] = content
    return found


def hits(values: set[str], kept: dict[str, bytes]) -> dict[str, list[str]]:
    """Where which of the values stand, whole: digits and letters around them would make them another value."""
    pattern = re.compile(
        rb"(?<![0-9A-Za-z])(?:" + b"|".join(re.escape(each.encode()) for each in sorted(values)) + rb")(?![0-9A-Za-z])"
    )
    found = {path: sorted({each.decode() for each in pattern.findall(content)}) for path, content in kept.items()}
    return {path: each for path, each in found.items() if each}


def values_of(site: Site, customer_id: str) -> set[str]:
    """The ids, keys, names and streets of one customer that no other customer has."""
    mapped = site.lake.read(IDENTITY_MAP).to_pylist()
    owners = {(row["service"], row["entity"]): row["customer_id"] for row in mapped}
    own: set[str] = set()
    others: set[str] = set()
    for row in site.lake.read(PROFILES).to_pylist():
        values = {key["value"] for key in row["keys"]} | {row["entity"], row["name"], row["street"]}
        (own if owners[row["service"], row["entity"]] == customer_id else others).update(values - {None})
    return own - others


@pytest.mark.long
def test_after_an_erasure_and_a_rerun_of_all_partitions_the_persons_are_nowhere(
    finished: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in finished.environ.items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home"
    home.mkdir()
    site = Site(Path(shutil.copytree(finished.folder, tmp_path / "project")), finished.environ)
    sizes: dict[str, int] = {}
    for row in site.lake.read(IDENTITY_MAP).to_pylist():
        sizes[row["customer_id"]] = sizes.get(row["customer_id"], 0) + 1
    first, second = sorted(sizes, key=lambda each: (-sizes[each], each))[:2]
    entity = next(row for row in site.lake.read(IDENTITY_MAP).to_pylist() if row["customer_id"] == second)
    values = values_of(site, first) | values_of(site, second)
    assert any("@" in value for value in values) and len(values) > 15
    project = ("--project", str(site.folder))

    exported = tmp_path / "person.json"
    said = cx("export-person", first, "--output", str(exported), *project)
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    given = exported.read_text()
    exported.unlink()
    assert hits(values, {"said": said.encode()}) == {}
    assert all(value in given for value in values_of(site, first))
    assert {"identity/customers", "identity/profiles", "integration/events", "identity/links"} <= set(
        json.loads(given)["tables"]
    )

    named = f"{entity['service']}/{entity['entity']}"
    announced = cx("erase", first, named, "--dry-run", *project)
    said = cx("erase", first, named, "--reason", "request 4711", "--by", "privacy office", "--yes", *project)
    counts = re.compile(r"^  (\S+: (?:mentions in )?\d+ rows)", re.M)
    told = [line for line in counts.findall(said) if not line.startswith("identity/customer_aliases")]
    assert told == counts.findall(announced)
    assert hits(values, everything(site.folder, home) | {"said": (said + announced).encode()}) == {}

    before = site.hashes()
    done = site.run(instance=dg.DagsterInstance.local_temp(str(home)))
    assert done.failures == []
    assert any(note.endswith("of erased persons stayed out") for note in done.notes)
    assert hits(values, everything(site.folder, home)) == {}
    after = site.hashes()
    assert {path for path in before if path.startswith("landing/") and before[path] != after[path]} == set()
    assert first not in site.lake.read(IDENTITY_MAP)["customer_id"].to_pylist()
    assert "request 4711" in cx("erasures", *project)
    untold = json.loads(cx("erasures", "--untold", *project))
    assert {"service": entity["service"], "entity": entity["entity"]}.items() <= next(
        row for row in untold if row["entity"] == entity["entity"]
    ).items()
