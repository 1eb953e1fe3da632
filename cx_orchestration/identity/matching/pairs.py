"""The pairs of entities that are looked at, in a session of an engine.

Belongs here: the tables that a comparison needs, and which pairs are candidates. Does not belong here: how pairs are
weighed (``weighing.py``), and what is made of that (``training.py``, ``scoring.py``).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.identity.matching.comparisons import key_column
from cx_orchestration.storage.engine import Engine, Session, sql_text


@contextmanager
def workspace(
    engine: Engine,
    fields: pa.Table,
    namespaces: Sequence[str],
    frequencies: pa.Table | None = None,
    *,
    everything: bool = True,
) -> Iterator[Session]:
    """A session with the tables ``rows`` (the fields), ``blocks`` and ``flipped`` (none).

    With ``everything`` all entities count as changed, so that all pairs are candidates, and what is compared of them is
    there at once, in ``fields``; else ``take_sides`` makes it of those in candidates. How common given names are says
    the model's table of ``frequencies``; without one these fields are counted.
    """
    with engine.session({"rows": fields}) as session:
        if everything:
            _keep_names(session, "rows", frequencies)
            all_of = f"SELECT r.* REPLACE (true AS changed), {_compared(namespaces)} FROM rows r {_WITH_NAMES}"
            session.make_in_parts("fields", all_of, "rows", beside=["names"])
            session.make_in_parts("blocks", sql_text(__package__, "blocks.sql"), "fields")
        else:
            session.make_in_parts("blocks", _blocks_of("rows"), "rows")
        session.make("flipped", "SELECT unique_id FROM rows WHERE FALSE")
        yield session


def take_sides(session: Session, namespaces: Sequence[str], frequencies: pa.Table) -> None:
    """Make the table ``fields`` of the workspace: what is compared of the entities in candidates."""
    ends = "SELECT join_key_l AS unique_id FROM candidates UNION SELECT join_key_r FROM candidates"
    session.make("paired", f"SELECT r.* FROM rows r SEMI JOIN ({ends}) AS p ON p.unique_id = r.unique_id")
    _keep_names(session, "paired", frequencies)
    text = f"SELECT r.*, {_compared(namespaces)} FROM paired r {_WITH_NAMES}"
    session.make_in_parts("fields", text, "paired", beside=["names"])


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


def mark_flipped(session: Session, before: pa.Table, caps: Mapping[str, int]) -> None:
    """Find who is in a block that has come to be over its cap, or under it: the table ``flipped`` (unique_id).

    ``before`` are the fields, as they were, of the entities that changed or are gone.
    """
    session.keep("before", before)
    was = "SELECT *, 0::BIGINT AS unique_id, true AS changed FROM before"
    session.make_in_parts("blocks_before", _blocks_of(f"({was})"), "before")
    session.keep("caps", _caps(caps))
    session.make("flipped", sql_text(__package__, "flipped.sql"))


def find_candidates(session: Session, caps: Mapping[str, int]) -> int:
    """Make the table ``candidates`` of the workspace and return how many pairs it has."""
    session.keep("caps", _caps(caps))
    return session.make("candidates", sql_text(__package__, "candidates.sql"))


def _blocks_of(source: str) -> str:
    return sql_text(__package__, "blocks.sql").replace("FROM fields", f"FROM {source} AS fields")


def _caps(caps: Mapping[str, int]) -> pa.Table:
    schema = pa.schema([("rule", pa.string()), ("cap", pa.int64())])
    return pa.table({"rule": list(caps), "cap": list(caps.values())}, schema=schema)


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
