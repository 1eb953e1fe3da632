"""Whose profiles differ from those that an earlier run read: told once a night, and read by the steps that follow.

Belongs here: what is kept of the difference, and when that is what a reader asks for. Does not belong here: how a night
tells it (``profiles.py``).
"""

import pyarrow as pa

from cx_orchestration.model.tables import PROFILES, PROFILES_CHANGED
from cx_orchestration.storage.engine import Engine, Input, sql_text
from cx_orchestration.storage.lake import Lake

#: Noted with a commit of the profiles: from which version of them their change is kept, and in which of the table.
_SINCE, _KEPT_IN = "changed_since", "changed_version"


def keep_change(lake: Lake, came: pa.Table, went: pa.Table, *, run_id: str) -> dict[str, str]:
    """Keep who is about to be otherwise in the lake than now: how they will be, and how they were.

    Both have a row per profile, with its service, entity and keys, and the first also what ``is_bare`` follows from.
    Returns what the commit of the new profiles has to note; a change that no commit notes is not read.
    """
    rows = Engine().query(sql_text(__package__, "profiles_states.sql"), {"came": came, "went": went})
    return {_SINCE: str(lake.version(PROFILES)), _KEPT_IN: str(lake.replace(PROFILES_CHANGED, rows, run_id=run_id))}


def changed_since(lake: Lake, engine: Engine, version: int) -> Input:
    """The states of those whose profiles are otherwise now than in a ``version`` that the lake holds.

    They have the columns of ``tables.PROFILES_CHANGED``: what is kept there where it is about this version, else what
    a comparison of all fingerprints finds.
    """
    note = lake.note(PROFILES)
    if note.get(_SINCE) == str(version) and note.get(_KEPT_IN) == str(lake.version(PROFILES_CHANGED)):
        return lake.scan(PROFILES_CHANGED)
    inputs: dict[str, Input] = {"profiles": lake.scan(PROFILES), "before": lake.scan(PROFILES, version=version)}
    with engine.session(inputs) as session:
        session.define("came", "SELECT * FROM profiles n ANTI JOIN before b ON b.fingerprint = n.fingerprint")
        session.define("went", "SELECT * FROM before b ANTI JOIN profiles n ON n.fingerprint = b.fingerprint")
        return session.query(sql_text(__package__, "profiles_states.sql"))
