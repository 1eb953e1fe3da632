"""What holds through any merges and splits, whatever joins and parts: ids alone, without profiles and links."""

import datetime as dt

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cx_orchestration.identity.customer_ids import assign_ids
from cx_orchestration.model.tables import CUSTOMER_ALIASES, IDENTITY_MAP
from cx_orchestration.storage.engine import Engine

#: Who is in which cluster; who is missing has no profile.
Night = dict[str, int]

ENGINE = Engine()
_CODES = pa.int64()


class Book:
    """The map and the aliases from one night to the next, and every id that was ever handed out."""

    def __init__(self) -> None:
        self.map, self.aliases = IDENTITY_MAP.empty(), CUSTOMER_ALIASES.empty()
        self.now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        self.ever: set[str] = set()

    def night(self, clusters: Night) -> None:
        self.now += dt.timedelta(days=1)
        known = {row["entity"]: row for row in self.map.to_pylist()}
        present = sorted(clusters)
        first = {
            label: next(n for n, name in enumerate(present) if clusters[name] == label) for label in clusters.values()
        }
        rows = [
            dict.fromkeys(["customer_id", "since", "born_at", "before_merge", "component", "was_bare"])
            | known.get(name, {})
            | {"service": "crm", "entity": name, "code": None, "cluster": None, "hangs": None, "is_bare": False}
            for name in [*present, *sorted(known.keys() - clusters.keys())]
        ]
        for code, name in enumerate(present):
            rows[code] |= {"code": code, "cluster": first[clusters[name]], "hangs": first[clusters[name]]}
        codes = [("code", _CODES), ("cluster", _CODES), ("hangs", _CODES)]
        schema = pa.schema([*IDENTITY_MAP.schema, ("was_bare", pa.bool_()), *codes])
        with ENGINE.session({"aliases": self.aliases, "identity_map": self.map}) as session:
            assigned = assign_ids(session, pa.Table.from_pylist(rows, schema=schema), now=self.now)
        before = set(self.map["customer_id"].to_pylist())
        self.map = assigned.rows.select(IDENTITY_MAP.schema.names).cast(IDENTITY_MAP.schema)
        self.aliases = assigned.aliases.select(CUSTOMER_ALIASES.schema.names).cast(CUSTOMER_ALIASES.schema)
        self.holds(clusters, before, assigned.change)

    def who(self) -> dict[str, str]:
        return {row["entity"]: row["customer_id"] for row in self.map.to_pylist()}

    def holds(self, clusters: Night, before: set[str], change) -> None:
        who, names = self.who(), self.map["entity"].to_pylist()
        assert sorted(names) == sorted(clusters), "everybody is in the map, once"
        for one in names:
            for other in names:
                assert (who[one] == who[other]) == (clusters[one] == clusters[other]), "customers are the clusters"
        current = set(who.values())
        former = {row["old_customer_id"]: row["customer_id"] for row in self.aliases.to_pylist()}
        assert change.new == len(current - self.ever), "an id that is new was never handed out"
        self.ever |= current
        assert len(former) == self.aliases.num_rows
        assert set(former) == self.ever - current, "every former id resolves"
        assert set(former.values()) <= {*current, None}, "in one step, to a customer of today"
        assert len(current) - len(before) == change.new + change.restored - change.merged - change.retired


NAMES = [str(n) for n in range(6)]
_nights = st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=4)


def _night(labels: list[int], missing: int = -1) -> Night:
    return {name: label for name, label in zip(NAMES, labels, strict=True) if label != missing}


@settings(deadline=None, max_examples=15)
@given(nights=_nights)
def test_ids_follow_the_rules_through_any_merges_splits_arrivals_and_departures(nights) -> None:
    book = Book()
    for labels in nights:
        book.night(_night(labels, missing=3))


@settings(deadline=None, max_examples=15)
@given(
    apart=st.lists(st.integers(0, 3), min_size=6, max_size=6),
    joined=st.dictionaries(st.integers(0, 3), st.integers(0, 3), min_size=1),
    late=st.integers(0, 3),
)
def test_a_merge_that_is_undone_leaves_everybody_as_they_were(apart, joined, late) -> None:
    book = Book()
    book.night(_night(apart))
    before = book.who()
    merged = [joined.get(label, label) for label in apart]
    book.night(_night(merged))
    book.night(_night(merged) | {"late": joined.get(late, late)})
    book.night(_night(apart) | {"late": late})
    assert before.items() <= book.who().items()
    assert {row["old_customer_id"] for row in book.aliases.to_pylist()} == set()


@settings(deadline=None, max_examples=10)
@given(nights=_nights, others=st.lists(st.integers(10, 12), min_size=3, max_size=3))
def test_unrelated_additions_change_no_id(nights, others) -> None:
    alone, together = Book(), Book()
    for night, labels in enumerate(nights):
        alone.night(_night(labels))
        together.night(_night(labels) | {f"0{n}": label + night % 2 for n, label in enumerate(others)})
    assert alone.who().items() <= together.who().items()
