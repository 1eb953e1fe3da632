"""The sides that run in the peers' environment, which does not have the project: pm4py and retentioneering.

python -m bench.journeys.peers SIDE FOLDER    prints CPU-seconds, peak memory and the answers as JSON
"""

import json
import resource
import sys
import time
from pathlib import Path

import pandas as pd

KINDS = 40
TYPES = [f"type.{number:02}" for number in range(KINDS)]


def by_pm4py(rows):
    import pm4py

    log = rows.rename(
        columns={"customer_id": "case:concept:name", "type": "concept:name", "occurred_at": "time:timestamp"}
    ).sort_values(["case:concept:name", "time:timestamp", "event_id"])
    follows, _, _ = pm4py.discover_dfg(log)
    performance, _, _ = pm4py.discover_performance_dfg(log)
    paths = pm4py.get_variants(log)
    frequent = sorted(paths.items(), key=lambda one: (-one[1], len(one[0]), one[0]))[:50]
    return {
        "follows": [[follows.get((source, to), 0) for to in TYPES] for source in TYPES],
        "mean_seconds": [[performance.get((s, t), {"mean": 0.0})["mean"] for t in TYPES] for s in TYPES],
        "variants": len(paths),
        "most_frequent": sorted([[">".join(path), n] for path, n in frequent], key=lambda one: (-one[1], one[0])),
    }


def by_retentioneering(rows):
    from retentioneering import Eventstream

    schema = {"path_cols": ["customer_id"], "event_col": "type", "timestamp_col": "occurred_at"}
    ordered = rows.sort_values(["customer_id", "occurred_at", "event_id"]).drop(columns="event_id")
    stream = Eventstream(ordered, schema=schema)
    counts = stream.transition_graph_data(edge_weight="count")
    stream.funnel_data(steps=TYPES[:5])
    stream.split_sessions(timeout="30m")
    return {"follows": counts.loc[TYPES, TYPES].to_numpy().tolist()}


SIDES = {"pm4py": by_pm4py, "retentioneering": by_retentioneering}

if __name__ == "__main__":
    side, folder, warm = SIDES[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3])
    side(pd.read_parquet(warm / "log.parquet"))  # imports
    started = time.process_time()
    answers = side(pd.read_parquet(folder / "log.parquet"))
    cpu = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu, "peak_mb": peak, "answers": answers}))
