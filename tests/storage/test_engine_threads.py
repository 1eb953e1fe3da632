"""How many threads the engine works with."""

import pytest

from cx_orchestration.storage.engine import Engine

THREADS = "SELECT current_setting('threads')::BIGINT AS threads"


@pytest.mark.parametrize(("rows", "wanted"), [(0, 1), (1_000_000, 1), (4_000_000, 2), (10**12, 10**6)])
def test_one_works_on_little_and_all_the_machine_has_on_much(rows: int, wanted: int) -> None:
    threads = Engine().sized(rows).query(THREADS)["threads"][0].as_py()
    assert threads == min(wanted, Engine().query(THREADS)["threads"][0].as_py())


def test_a_sized_engine_keeps_its_memory_and_leaves_the_other_as_it_is() -> None:
    engine = Engine(memory_limit="512MB")
    before = engine.query(THREADS)
    memory = "SELECT current_setting('memory_limit') AS memory"
    assert engine.sized(0).query(memory) == engine.query(memory)
    assert engine.query(THREADS) == before
