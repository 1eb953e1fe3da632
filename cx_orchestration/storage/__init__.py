"""Where data rests and how it is queried: the lake (Delta), the engine (DuckDB), the registry (SQLAlchemy).

Belongs here: reading, replacing, querying tables whoever they belong to. Does not belong here: what a table means.
"""
