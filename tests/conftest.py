"""Fixtures that several areas share."""

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def no_file_longer_than() -> Callable[[int], AbstractContextManager[None]]:
    """The system refuses to write beyond so many bytes of a file, as it refuses to write to a full disk."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture(scope="session")
def spark_config():
    return {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "4",
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
        # Hundreds of small plans, each run once: neither optimising the code that runs them nor replanning pays.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
        "spark.sql.adaptive.enabled": "false",
    }


@pytest.fixture(scope="session")
def spark(spark_config):
    from cx_orchestration.storage.spark import SparkEngine

    return SparkEngine(master="local[2]", config=spark_config)
