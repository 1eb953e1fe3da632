"""The same records by a dlt pipeline to Parquet, with dlt's defaults; runs in an environment that has dlt.

python bench/extract/dlt_side.py URL FOLDER    prints rows, CPU-seconds and peak memory as JSON
"""

import json
import os
import resource
import sys

_, url, folder = sys.argv
os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DESTINATION__FILESYSTEM__BUCKET_URL": f"file://{folder}/lake",
    "RUNTIME__LOG_LEVEL": "CRITICAL",
}

import dlt  # noqa: E402
from dlt.sources.rest_api import rest_api_source  # noqa: E402


def used() -> float:
    """CPU-seconds of this process and its children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


before = used()
source = rest_api_source(
    {
        "client": {
            "base_url": url,
            "paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "cursor"},
        },
        "resources": [
            {"name": "records", "primary_key": "id", "endpoint": {"path": "records", "data_selector": "data"}}
        ],
    }
)
pipeline = dlt.pipeline("bench", pipelines_dir=f"{folder}/pipelines", destination="filesystem", dataset_name="bench")
pipeline.run(source, loader_file_format="parquet", write_disposition="append")
rows = pipeline.last_trace.last_normalize_info.row_counts["records"]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"rows": rows, "cpu": used() - before, "peak_mb": peak}))
