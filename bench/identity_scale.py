"""Identity on a million dirty profiles: CPU-seconds and memory of each part, beside Splink on the same fields.

    python bench/identity_scale.py [--profiles 1000000] [--shared 10000] [--without-peer] [--keys-alone]

Makes profiles (``identity_scale.sql``: misspelt names, households, shared values, several services a person, missing
fields, four ways to write a date) and does with them what the assets do: a first night, then a night on which 1 % are
new or other. With ``--shared`` it does so once more with a phone and an address that so many profiles hold; with
``--keys-alone`` without a model, and without the peer. Splink trains, blocks and scores as its tutorial has it, on the
fields that ours standardised. Each side is a process of its own. Exits 1 when a target is missed.
"""

import argparse
import datetime as dt
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from cx_orchestration.identity import matching
from cx_orchestration.identity.clusters import Linkage
from cx_orchestration.identity.keys import keys_of_profiles
from cx_orchestration.identity.links import update_links
from cx_orchestration.identity.matching.nights import update_matches
from cx_orchestration.identity.profiles import update_profiles
from cx_orchestration.identity.quality import identity_quality
from cx_orchestration.identity.resolve import resolve
from cx_orchestration.model.identity import IdentityConfig, Matching
from cx_orchestration.model.tables import IDENTITY_MAP, KEYS_SEEN, MATCHING_FIELDS
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake, conform

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
#: Times Splink's CPU; share of the first night's CPU; times the CPU without the shared key; bytes by profiles.
TIMES_SPLINK, NIGHT, SHARED, MEMORY = 1.5, 0.1, 1.1, ((1_000_000, 3e9), (5_000_000, 10e9))
#: Parts that the target counts; the scorecard is beside it.
#: Shares of right pairs among those put together, and of those put together among the right ones.
PRECISION, RECALL = 0.995, 0.97
COUNTED = ("keys", "exact links", "matching", "map")
CONFIG = IdentityConfig.model_validate(
    {
        "region": "CH",
        "namespaces": {
            "email": {"normalise": "email"},
            "phone": {"normalise": "phone", "strength": "household"},
            "loyalty": {"normalise": "number"},
        },
    }
)
KEYS_ALONE = CONFIG.model_copy(update={"matching": Matching(enabled=False)})
_ACCENTS = str.maketrans({"u": "ü", "o": "ö", "e": "é"})
_SYLLABLES = (
    *("ba", "ker", "lin", "stei", "man", "ber", "hof", "wal", "der", "zim", "mer", "kel", "gru", "hue"),
    *("ri", "na", "so", "fi", "le", "a", "ma", "ro", "ti", "el", "jo", "sa", "be", "ni"),
)


@dataclass
class Meter:
    """CPU-seconds and peak memory (bytes) by part."""

    cpu: dict[str, float] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        _forget_peak()
        started = time.process_time()
        yield
        self.cpu[name] = self.cpu.get(name, 0.0) + time.process_time() - started
        self.peak[name] = max(self.peak.get(name, 0.0), _peak())


def _forget_peak() -> None:
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")


def _peak() -> float:
    """Of the process since the last reset, where the system tells; else since it began."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    return float(found[1]) * 1024 if found else float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


def made(profiles: int, *, night: int = 0, shared: int = 0) -> pa.Table:
    """The profiles as received, and whose they are (``person``); on the second night 1 % are new or other."""
    now = profiles + profiles // 200 * night
    sizes = {"persons": [max(profiles * 2 // 5, 1)], "towns": [min(max(profiles // 500, 10), 3_000)]}
    with duckdb.connect() as connection:
        connection.register("words", _words())
        connection.register("sizes", pa.table(sizes))
        connection.execute(Path(__file__).with_name("identity_scale_draws.sql").read_text(encoding="utf-8"))
        text = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
        found = connection.execute(text, {"profiles": now, "night": night, "shared": shared})
        return found.to_arrow_table()


def _words() -> pa.Table:
    random, parts = np.random.default_rng(17), []
    for kind, count, syllables in (
        ("given", 3_000, 2),
        ("family", 40_000, 3),
        ("street", 20_000, 3),
        ("town", 3_000, 3),
    ):
        drawn = random.integers(0, len(_SYLLABLES), (4 * count, syllables + 1))
        words = ("".join(_SYLLABLES[i] for i in row[: syllables + (row[-1] % 4 == 0)]) for row in drawn)
        accented = (word.translate(_ACCENTS) if len(word) % 5 == 0 else word for word in words)
        found = list(dict.fromkeys(word.capitalize() for word in accented))[:count]
        columns = {"kind": [kind] * len(found), "rank": range(len(found)), "word": found}
        parts.append(pa.table({name: pa.array(values) for name, values in columns.items()}))
    return pa.concat_tables(parts)


def night(lake: Lake, engine: Engine, received: pa.Table, config: IdentityConfig, *, now: dt.datetime) -> Meter:
    """What the assets do, one after the other, with all but ``person``."""
    meter, linkage = Meter(), Linkage(threshold=config.matching.union_bits, absent=config.matching.absent_bits)
    seen = conform(KEYS_SEEN, keys_of_profiles(engine, received))  # mapping gives both
    with meter.part("keys"):
        update_profiles(lake, engine, received.drop_columns("person"), seen, config, run_id="night")
    del seen
    with meter.part("exact links"):
        update_links(lake, engine, config, now=now, run_id="night")
    with meter.part("matching"):
        update_matches(lake, engine, config, now=now, run_id="night")
    with meter.part("map"):
        resolve(lake, engine, now=now, run_id="night", linkage=linkage)
    with meter.part("scorecard"):
        identity_quality(lake, engine, config)
    return meter


def ours(folder: Path, profiles: int, shared: int, config: IdentityConfig) -> dict[str, object]:
    """Two nights; ``cpu`` and ``peak`` by part, and what came out."""
    lake = Lake(folder / f"lake {shared}")
    engine = Engine(memory_limit=f"{1.2 * max(profiles, 1e6) / 1e6:.1f}GB", temp_directory=str(folder / "spill"))
    first = night(lake, engine, made(profiles, shared=shared), config, now=NOW)
    received = made(profiles, night=1, shared=shared)
    second = night(lake, engine, received, config, now=NOW + dt.timedelta(days=1))
    truth = received.select(["service", "entity", "person"])
    text = Path(__file__).with_name("identity_scale_truth.sql").read_text(encoding="utf-8")
    about = engine.query(text, {"map": lake.scan(IDENTITY_MAP), "truth": truth}).to_pylist()[0]
    return {"first": vars(first), "second": vars(second), "about": about}


def plain_splink(folder: Path) -> dict[str, object]:
    """Splink's tutorial on the standardised fields, with terms' frequencies: training, blocking and scoring."""
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    frame = Engine().query(
        "SELECT unique_id, given, family, birth, street, postcode, city,"
        " list_extract(list_filter(keys, lambda k: k.namespace = 'email'), 1).value AS email,"
        " list_extract(list_filter(keys, lambda k: k.namespace = 'phone'), 1).value AS phone"
        " FROM (SELECT *, row_number() OVER (ORDER BY service, entity) AS unique_id"
        f" FROM ({sql_text(matching.__name__, 'fields_kept.sql')}) AS k) AS f",
        {"stored": Lake(folder / "lake 0").scan(MATCHING_FIELDS)},
    )
    meter = Meter()
    blocks = [
        ("given", "family"),
        ("given", "birth"),
        ("family", "birth"),
        ("family", "street"),
        ("email",),
        ("phone",),
    ]
    rules = [block_on(*block) for block in blocks]
    frequent = {"term_frequency_adjustments": True}
    comparisons = [
        *(cl.JaroWinklerAtThresholds(name, [0.92, 0.8]).configure(**frequent) for name in ("given", "family")),
        cl.LevenshteinAtThresholds("birth", [1, 2]),
        cl.JaroWinklerAtThresholds("street", [0.9, 0.8]),
        *(cl.ExactMatch(name).configure(**frequent) for name in ("postcode", "city")),
        *(cl.LevenshteinAtThresholds(name, [1, 2]) for name in ("email", "phone")),
    ]
    with meter.part("training"):
        settings = SettingsCreator(
            link_type="dedupe_only", comparisons=comparisons, blocking_rules_to_generate_predictions=rules
        )
        linker = Linker(DuckDBAPI().register(frame), settings, log_level=None)
        linker.training.estimate_probability_two_random_records_match([rules[1], rules[4]], recall=0.7)
        linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
        for rule in (rules[0], block_on("birth")):
            linker.training.estimate_parameters_using_expectation_maximisation(
                rule, estimate_without_term_frequencies=True
            )
    with meter.part("blocking and scoring"):
        found = linker.inference.predict(threshold_match_probability=0.5, warning_mode="never")
        pairs = len(found.as_duckdbpyrelation())
    return {"cpu": meter.cpu, "peak": meter.peak, "pairs": pairs}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--profiles", type=int, default=1_000_000)
    arguments.add_argument("--shared", type=int, default=0)
    arguments.add_argument("--without-peer", action="store_true")
    arguments.add_argument("--keys-alone", action="store_true")
    arguments.add_argument("--side", choices=("ours", "splink"), help=argparse.SUPPRESS)
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.side:
        done = (
            ours(chosen.folder, chosen.profiles, chosen.shared, KEYS_ALONE if chosen.keys_alone else CONFIG)
            if chosen.side == "ours"
            else plain_splink(chosen.folder)
        )
        (chosen.folder / "result.json").write_text(json.dumps(done))
        return
    with tempfile.TemporaryDirectory() as scratch:
        more = ["--keys-alone"] if chosen.keys_alone else []
        run = lambda *side: _in_a_process(Path(scratch), chosen.profiles, *side, *more)  # noqa: E731
        mine = run("--side", "ours")
        missed = _report_ours(mine, chosen.profiles)
        if not chosen.keys_alone:
            missed += _wrong(mine["about"])
        if not (chosen.without_peer or chosen.keys_alone):
            missed += _report_splink(run("--side", "splink"), _total(mine["first"]))
        if chosen.shared:
            missed += _report_shared(run("--side", "ours", "--shared", str(chosen.shared)), mine, chosen.shared)
    if missed:
        sys.exit(f"missed: {'; '.join(missed)}")


def _in_a_process(folder: Path, profiles: int, *more: str) -> dict:
    command = [sys.executable, __file__, "--folder", str(folder), "--profiles", str(profiles), *more]
    subprocess.run(command, check=True)
    return json.loads((folder / "result.json").read_text())


def _total(measured: dict) -> float:
    return sum(measured["cpu"].get(part, 0.0) for part in COUNTED)


def _report_ours(found: dict, profiles: int) -> list[str]:
    first, second = found["first"], found["second"]
    print(f"{'part':<20}{'first night':>20}{'a night of 1 %':>20}\n{'':<20}" + 2 * f"{'CPU-s':>10}{'peak MB':>10}")
    for part in first["cpu"]:
        cells = [(side["cpu"].get(part, 0.0), side["peak"].get(part, 0.0) / 1e6) for side in (first, second)]
        print(f"{part:<20}" + "".join(f"{cpu:10.2f}{peak:10.0f}" for cpu, peak in cells))
    totals = _total(first), _total(second)
    print(f"{'all but scorecard':<20}{totals[0]:10.2f}{'':10}{totals[1]:10.2f}   {totals[1] / totals[0]:.1%}")
    print(", ".join(f"{name}: {value:,}" for name, value in found["about"].items()))
    peak = max(*first["peak"].values(), *second["peak"].values())
    limit = next((limit for most, limit in MEMORY if profiles <= most), None)
    missed = [] if totals[1] <= NIGHT * totals[0] else [f"a night took {totals[1] / totals[0]:.1%}"]
    return missed if limit is None or peak <= limit else [*missed, f"{peak / 1e9:.1f} GB"]


def _wrong(about: dict) -> list[str]:
    least = {"pair precision": PRECISION, "pair recall": RECALL}
    return [f"{measure} {about[measure]}" for measure, share in least.items() if about[measure] < share]


def _report_splink(found: dict, ours_cpu: float) -> list[str]:
    for part, cpu in found["cpu"].items():
        print(f"{'Splink: ' + part:<30}{cpu:10.2f}{found['peak'][part] / 1e6:10.0f}")
    times = ours_cpu / sum(found["cpu"].values())
    print(f"Splink found {found['pairs']:,} pairs at 0.5; ours took {times:.2f} times its CPU")
    return [] if times <= TIMES_SPLINK else [f"{times:.2f} times Splink"]


def _report_shared(found: dict, without: dict, shared: int) -> list[str]:
    times = _total(found["first"]) / _total(without["first"])
    largest = found["about"]["largest customer"]
    print(f"with a key of {shared:,} profiles: {times:.3f} times the CPU, the largest customer has {largest} records")
    missed = [] if times <= SHARED else [f"a shared key cost {times:.3f}"]
    return missed if largest < shared // 10 else [*missed, f"a shared key united {largest}"]


if __name__ == "__main__":
    main()
