"""``make bench-findings`` on one small company of either kind."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_benchmark_prints_recall_precision_and_the_share_of_null_companies() -> None:
    options = ["--seeds", "1", "--first", "1000", "--customers", "2500", "--processes", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.findings", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    # A small company may hide an effect; that it was counted is what this is about.
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    for analysis in ("abandonment_hotspots", "support_shifts", "profitable_paths", "change_priorities"):
        assert re.search(rf"^\| {analysis} \| [01]\.\d+ \| [01]\.\d+ \|", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"1 null companies: \d with any finding, [\d.]+ \[[\d.]+, [\d.]+\]", done.stdout)
    assert re.search(r"CPU-seconds a company: up to the fold [\d.]+, exploration [\d.]+", done.stdout)
