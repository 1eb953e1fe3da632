"""Types that every other package shares: what a project declares, the tables of the lake, failures.

Belongs here: pydantic models and schemas. Does not belong here: reading files, querying, scoring, anything with I/O.
"""
