"""The pairs of entities that are looked at, in a session of an engine.

Belongs here: the tables that a comparison needs, and which pairs are candidates. Does not belong here: how pairs are
weighed (``weighing.py``), and what is made of that (``training.py``, ``scoring.py``).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.identity.matching.comparisons import key_column
from cx_orchestration.identity.matching.fields import Fields
from cx_orchestration.storage.engine import Engine, Input, Session, sql_text


@contextmanager
def workspace(
    engine: Engine, fields: pa.Table, namespaces: Sequence[str], frequencies: pa.Table | None = None
) -> Iterator[Session]:
    """A session in which all entities count as changed, so that all pairs are candidates.

    It has the tables ``rows`` (the fields), ``fields`` (what is compared of them) and ``blocks``.
    How common given names are says the model's table of ``frequencies``; without one these fields are counted.
    """
    with engine.session({"rows": fields}) as session:
        _keep_names(session, "rows", frequencies)
        all_of = f"SELECT r.* REPLACE (true AS changed), {_compared(namespaces)} FROM rows r {_WITH_NAMES}"
        session.make_in_parts("fields", all_of, "rows", beside=["names"])
        session.make_in_parts("blocks", sql_text(__package__, "blocks.sql"), "fields")
        yield session


@contextmanager
def night_workspace(
    engine: Engine, fields: Fields, kept: Input, caps: Mapping[str, int], erased: int = 0
) -> Iterator[Session]:
    """A session of those who are other than what was ``kept`` (``tables.MATCHING_FIELDS``), and whom they meet.

    At most so many entities were ``erased`` from what was kept.

    It has the tables ``rows`` (the fields that were looked at), ``before`` (what was kept of those that changed or are
    gone), ``present`` (all entities), ``flipped`` (unique_id: who else is in a block that has come to be over its
    cap, or under it), ``capped`` (the blocks of ``rows``), and ``candidates``.
    """
    with engine.session({"rows": fields.rows, "stored": kept}) as session:
        session.keep("former", fields.former)
        session.make("replaced", sql_text(__package__, "fields_replaced.sql"))
        session.define("present", sql_text(__package__, "fields_present.sql"))
        session.make("before", sql_text(__package__, "fields_before.sql"))
        session.make("blocks_before", "SELECT unnest(blocks) AS block FROM before")
        text = sql_text(__package__, "blocks.sql").replace("FROM fields", "FROM rows")
        session.make_in_parts("blocks", text, "rows")
        _cap(session, caps)
        session.make("touched", "SELECT block FROM capped WHERE changed UNION SELECT block FROM blocks_before")
        if erased:
            session.make("left", sql_text(__package__, "blocks_left.sql"), {"erased": erased})
            session.make("touched", 'SELECT block FROM touched UNION SELECT block FROM "left"')
        session.make("met", sql_text(__package__, "blocks_met.sql"))
        if session.make("flipped", sql_text(__package__, "flipped.sql"), {"erased": erased}):
            session.make("touched", sql_text(__package__, "blocks_touched.sql"))
            session.make("met", sql_text(__package__, "blocks_met.sql"))
        session.make("candidates", sql_text(__package__, "candidates_night.sql"))
        yield session


def _cap(session: Session, caps: Mapping[str, int]) -> None:
    schema = pa.schema([("rule", pa.string()), ("cap", pa.int64())])
    session.keep("caps", pa.table({"rule": list(caps), "cap": list(caps.values())}, schema=schema))
    session.make("capped", sql_text(__package__, "blocks_capped.sql"))


def blocks_to_keep(session: Session) -> pa.ChunkedArray:
    """The blocks of each of the workspace's ``rows``, in their order, as the lake keeps them: those with a cap."""
    session.make("lists", "SELECT unique_id, list_sort(list(block)) AS blocks FROM capped GROUP BY unique_id")
    return session.query(
        "SELECT l.blocks FROM rows r LEFT JOIN lists l ON l.unique_id = r.unique_id ORDER BY r.unique_id"
    )["blocks"]


def take_sides(session: Session, namespaces: Sequence[str], frequencies: pa.Table) -> int:
    """Make the table ``fields`` of a night's workspace: what is compared of the entities in candidates.

    They are numbered anew there and in candidates, in the order of their names, as if all had been compared. Returns
    how many pairs there are.
    """
    session.make("paired", sql_text(__package__, "paired.sql"))
    candidates = session.make("candidates", sql_text(__package__, "candidates_numbered.sql"))
    chosen = "SELECT n.unique_id, p.* EXCLUDE (unique_id) FROM present p JOIN paired n ON n.former_id = p.unique_id"
    session.define("sides_found", chosen)
    _keep_names(session, "sides_found", frequencies)
    text = f"SELECT r.*, {_compared(namespaces)} FROM sides_found r {_WITH_NAMES}"
    session.make_in_parts("fields", text, "sides_found", beside=["names"])
    return candidates


_WITH_NAMES = "LEFT JOIN names n ON n.given = r.given"


def _keep_names(session: Session, source: str, frequencies: pa.Table | None) -> None:
    """Keep the table ``names`` (given, share): the given names that more than one entity bears, and how common they
    are."""
    if frequencies is None:
        counted = f"SELECT given, count(*) AS entities, sum(count(*)) OVER () AS total FROM {source}"
        text = (
            f"SELECT given, entities / total AS share FROM ({counted} WHERE given IS NOT NULL GROUP BY given) AS c"
            " WHERE entities > 1"
        )
    else:
        session.keep("given_terms", frequencies.filter(pc.equal(frequencies["field"], "given")))
        text = (
            "SELECT v.given, t.frequency AS share"
            f" FROM (SELECT DISTINCT given FROM {source} WHERE given IS NOT NULL) AS v"
            " JOIN given_terms t ON t.term = digest_of('given', v.given)"
        )
    session.keep("names", session.query(text))


def find_candidates(session: Session, caps: Mapping[str, int]) -> int:
    """Make the tables ``capped`` and ``candidates`` of the workspace of all; returns how many pairs there are."""
    _cap(session, caps)
    return session.make("candidates", sql_text(__package__, "candidates.sql"))


def _compared(namespaces: Sequence[str]) -> str:
    """The words of a name as a list; by namespace ``key_<namespace>``, the values as a list, and what of it pairs are
    asked for: the first value, the list where there are several (lists take ten times as long to compare as texts), and
    an address's part before the @."""
    columns = ["string_split(words, ' ') AS tokens", "n.share AS given_share"]
    for key in map(key_column, namespaces):
        namespace = key.removeprefix("key_")
        columns += [
            f"nullif(list_transform(list_filter(keys, lambda k: k.namespace = '{namespace}'), lambda k: k.value), [])"
            f" AS {key}",
            f"{key}[1] AS first_{key}",
            f"CASE WHEN len({key}) > 1 THEN {key} ELSE NULL END AS several_{key}",
            f"CASE WHEN contains({key}[1], '@') THEN split_part({key}[1], '@', 1) ELSE NULL END AS mailbox_{key}",
        ]
    return ", ".join(columns)
