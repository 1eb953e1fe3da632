"""What each system of the demo company has on file, in the fields and formats of a well-known vendor's API.

Belongs here: one module a system, from happenings to records, each with the mistakes people make when they write
things down. Does not belong here: HTTP (``servers``), what happened (``happenings``).
"""
