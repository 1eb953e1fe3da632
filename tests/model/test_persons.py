"""Every table says how its rows lead to persons, and forgets none of its columns that do."""

import pytest

from cx_orchestration.model.persons import NOBODY
from cx_orchestration.model.tables import DECLARED, Table, landed

TABLES = [*DECLARED.values(), landed("crm", "contacts")]

#: Columns that lead to persons wherever they stand; the entity of a pair of them is named by its suffix.
PERSONAL = ("payload", "document", "keys", "value", "digest", "evidence", "record_id", "instance_id", "attributes")


def _ids(table: Table) -> set[str]:
    """Where a row names services' customers they decide; else customers across services do."""
    entities = {name for name in table.schema.names if name.endswith("entity")}
    return entities or {name for name in table.schema.names if name.endswith("customer_id")}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.path)
def test_a_table_with_ids_of_persons_says_that_they_are(table: Table) -> None:
    persons = table.persons
    told = {entity for _, entity in persons.entities} | set(persons.customers)
    assert told == _ids(table)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.path)
def test_the_columns_that_lead_to_persons_exist(table: Table) -> None:
    persons = table.persons
    pairs = {name for pair in (*persons.entities, *persons.digests) for name in pair}
    assert pairs | {*persons.customers, *persons.texts} <= set(table.schema.names)
    assert not persons.payload or {"record_id", "payload"} <= set(table.schema.names)


@pytest.mark.parametrize("table", [table for table in TABLES if table.persons == NOBODY], ids=lambda table: table.path)
def test_a_table_about_nobody_has_no_column_of_persons(table: Table) -> None:
    measured = table.path.startswith("exploration/")  # there "value" is a number over many customers
    assert not [name for name in table.schema.names if name in PERSONAL and not (measured and name == "value")]
