"""recordlinkage's unsupervised classifier on one data set; runs in the peers' environment.

    python -m bench.identity.ecm SET.parquet LABELS.parquet

As its guides to deduplication and classifiers have it: blocks, Jaro-Winkler at 0.85 for names and addresses, exact for
the rest, what is missing disagrees, ECM, connected components.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import recordlinkage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from bench.identity.preparation import blocking_rules, prepare

TEXTS = ("name", "given", "family", "street", "city")
EXACT = ("middle", "birth", "postcode")


def main(source: Path, target: Path) -> None:
    rows = pd.read_parquet(source)
    started = time.process_time()
    frame = prepare(rows)
    rules = blocking_rules(frame)
    frame = frame.astype(object).where(frame.notna(), None)
    index = recordlinkage.Index()
    for rule in rules:
        index.block(list(rule))
    pairs = index.index(frame)
    compare = recordlinkage.Compare()
    for name in frame:
        if name in TEXTS:
            compare.string(name, name, method="jarowinkler", threshold=0.85, label=name, missing_value=0)
        elif name in EXACT or name.startswith("key_"):
            compare.exact(name, name, label=name, missing_value=0)
    vectors = compare.compute(pairs, frame)
    found = recordlinkage.ECMClassifier(binarize=0.8).fit_predict(vectors)
    left, right = found.get_level_values(0).to_numpy(), found.get_level_values(1).to_numpy()
    graph = coo_matrix((np.ones(len(left)), (left, right)), shape=(len(rows), len(rows)))
    _, labels = connected_components(graph, directed=False)
    pd.DataFrame({"label": labels, "cpu": time.process_time() - started, "pairs": len(pairs)}).to_parquet(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
