"""A Dagster code location that turns per-tool customer records into one continuous journey per customer."""
