"""``bench/identity_scale.py`` at a small size: two nights, beside Splink, with and without a shared key."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "identity_scale.py"


@pytest.mark.long
def test_benchmark_measures_every_part_of_both_nights_beside_splink() -> None:
    done = subprocess.run(
        [sys.executable, BENCH, "--profiles", "2000", "--shared", "100"], capture_output=True, text=True, check=False
    )
    # At this size fixed costs miss every target; that it was measured is what counts.
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    for part in ("keys", "exact links", "matching", "map", "scorecard"):
        assert re.search(rf"^{part}( +[\d.]+){{4}}$", done.stdout, re.MULTILINE), done.stdout
    assert "entities: 2,010" in done.stdout
    told = {name: float(re.search(rf"pair {name}: ([\d.]+)", done.stdout)[1]) for name in ("precision", "recall")}
    assert min(told.values()) > 0.95, "drawn so that what is one person can be told"
    assert re.search(r"Splink found [\d,]+ pairs at 0.5; ours took [\d.]+ times its CPU", done.stdout)
    assert re.search(r"with a key of 100 profiles: [\d.]+ times the CPU", done.stdout)
