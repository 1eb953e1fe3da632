"""recordlinkage's unsupervised classifier on one data set; runs in the peers' environment.

    python ecm.py SET.parquet LABELS.parquet

As its guide has it: blocks on name and date or postcode, string similarities, ECM, connected components.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import recordlinkage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

TEXTS = ("name", "given_name", "family_name", "street", "city")
EXACT = ("birth_date", "postcode")


def main(source: Path, target: Path) -> None:
    rows = pd.read_parquet(source).astype(object)
    rows = rows.where(rows.notna(), None)
    started = time.process_time()
    there = [name for name in (*TEXTS, *EXACT) if name in rows and rows[name].notna().any()]
    keys = [name for name in rows if name.startswith("key_")]
    index = recordlinkage.Index()
    for name in ("name", "family_name", "given_name", "birth_date", *keys):
        if name in rows and rows[name].notna().any() and (len(rows) < 20_000 or name not in ("given_name",)):
            index.block(name)
    pairs = index.index(rows)
    compare = recordlinkage.Compare()
    for name in there:
        if name in TEXTS:
            compare.string(name, name, method="jarowinkler", threshold=0.85, label=name, missing_value=0)
        else:
            compare.exact(name, name, label=name, missing_value=0)
    for name in keys:
        compare.exact(name, name, label=name, missing_value=0)
    vectors = compare.compute(pairs, rows)
    vectors = vectors.loc[:, vectors.nunique() > 1]
    found = recordlinkage.ECMClassifier(binarize=0.5).fit_predict(vectors)
    left, right = found.get_level_values(0).to_numpy(), found.get_level_values(1).to_numpy()
    graph = coo_matrix((np.ones(len(left)), (left, right)), shape=(len(rows), len(rows)))
    _, labels = connected_components(graph, directed=False)
    pd.DataFrame({"label": labels, "cpu": time.process_time() - started}).to_parquet(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
