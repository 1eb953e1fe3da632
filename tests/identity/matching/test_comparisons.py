"""What two values are asked before their edit distance is computed gives the same answer as computing it."""

import duckdb

from cx_orchestration.identity.matching.comparisons import one_slip


def test_one_slip_is_an_edit_distance_of_at_most_one() -> None:
    words = (
        "SELECT DISTINCT left(translate(hash(i)::VARCHAR, '3456789', '1212121'), i % 8) AS w FROM range(600) AS r(i)"
    )
    asked = f"SELECT {one_slip('l.w', 'r.w')} AS found, damerau_levenshtein(l.w, r.w) <= 1 AS true_of"
    with duckdb.connect() as connection:
        rows = connection.sql(f"{asked} FROM ({words}) AS l, ({words}) AS r").fetchall()
    assert {found for found, _ in rows} == {True, False}
    assert all(found == true_of for found, true_of in rows)
