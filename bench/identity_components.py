"""Components of 5 million links: ours beside SciPy's csgraph, on the same links in the same run.

    python bench/identity_components.py [--links 5000000]

Each contender runs in a process of its own and is charged its CPU-seconds, and the memory that it takes beyond the
links. rustworkx and networkx take part where they are installed. All must find the same number of components.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Links = tuple[NDArray[np.int64], NDArray[np.int64]]


def made(links: int) -> tuple[int, Links]:
    """Four entities to five links, in clusters of some, their codes in no order."""
    entities, random = links * 4 // 5, np.random.default_rng(11)
    base = random.integers(0, entities, links)
    other = np.minimum(base + random.integers(1, 4, links), entities - 1)
    code = random.permutation(entities)
    return entities, (code[base], code[other])


def ours(entities: int, links: Links) -> int:
    from cx_orchestration.identity.clusters import Kind, Pairs, find_clusters

    count = len(links[0])
    pairs = Pairs(*links, np.full(count, 20.0), np.full(count, Kind.EXACT, np.int8))
    return int((find_clusters(entities, pairs).cluster == np.arange(entities)).sum())


def scipy(entities: int, links: Links) -> int:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(links[0]), np.int8), links), shape=(entities, entities))
    return int(connected_components(graph, directed=False)[0])


def rustworkx(entities: int, links: Links) -> int:
    import rustworkx

    graph = rustworkx.PyGraph()
    graph.add_nodes_from(range(entities))
    graph.add_edges_from_no_data(list(zip(links[0].tolist(), links[1].tolist(), strict=True)))
    return int(rustworkx.number_connected_components(graph))


def networkx(entities: int, links: Links) -> int:
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(range(entities))
    graph.add_edges_from(zip(links[0].tolist(), links[1].tolist(), strict=True))
    return int(networkx.number_connected_components(graph))


CONTENDERS: dict[str, Callable[[int, Links], int]] = {
    "ours": ours,
    "scipy": scipy,
    "rustworkx": rustworkx,
    "networkx": networkx,
}


def measure(name: str, links: int) -> None:
    CONTENDERS[name](*made(1_000))  # imports and compiled code are not what is compared
    entities, pairs = made(links)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on, not from the making of the links
    held, start = memory("VmRSS"), time.process_time()
    found = CONTENDERS[name](entities, pairs)
    print(json.dumps({"components": found, "cpu": time.process_time() - start, "memory": memory("VmHWM") - held}))


def memory(kind: str) -> float:
    """What this process holds (VmRSS) or held at its peak (VmHWM), in MB; Linux only."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[kind].split()[0]) / 1024


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--links", type=int, default=5_000_000)
    arguments.add_argument("--only", choices=CONTENDERS)
    chosen = arguments.parse_args()
    if chosen.only:
        measure(chosen.only, chosen.links)
        return
    installed = [name for name in CONTENDERS if name == "ours" or importlib.util.find_spec(name)]
    results = {}
    for name in installed:
        command = [sys.executable, __file__, "--only", name, "--links", str(chosen.links)]
        results[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"{chosen.links:,} links   components   CPU-s    MB   CPU to SciPy's")
    for name, found in results.items():
        ratio = found["cpu"] / results["scipy"]["cpu"]
        print(f"{name:16} {found['components']:12,} {found['cpu']:7.2f} {found['memory']:6.0f} {ratio:8.2f}")
    if len({found["components"] for found in results.values()}) > 1:
        sys.exit("they do not find the same components")


if __name__ == "__main__":
    main()
