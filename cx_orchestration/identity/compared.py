"""Which state of each entity the ledger of links takes into account, so that a night looks only at what is new.

Belongs here: what changed since the ledger was brought up to date. Does not belong here: what follows from it
(``links.py``, ``matching``).
"""

import pyarrow as pa

from cx_orchestration.storage.engine import Session, sql_text


def find_changes(session: Session) -> int:
    """Keep ``changes`` (``changes.sql``), the entities that are otherwise than when they were compared: new, changed,
    or gone. Returns how many.

    The ``session`` has the tables profiles, and compared as the last run left it.
    """
    return session.make("changes", sql_text(__package__, "changes.sql"))


def compared_now(session: Session) -> pa.Table:
    """What the ledger takes into account with the changes (``compared.sql``)."""
    return session.query(sql_text(__package__, "compared.sql"))
