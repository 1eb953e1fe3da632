"""Records by the names that people type: ``SERVICE/ENTITY``, held against the identity map.

Belongs here: whether there is such a record, and what was probably meant. Does not belong here: what a record is.
"""

from collections.abc import Iterable

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.identity_overrides import split_entity
from cx_orchestration.model.tables import IDENTITY_MAP
from cx_orchestration.model.words import suggestion
from cx_orchestration.storage.engine import Engine, Input
from cx_orchestration.storage.lake import Lake

#: How alike an id is to the one that was typed, to be named beside it, and how many are.
_ALIKE, _NEAR = 0.85, 3


def refuse_unknown_records(lake: Lake, engine: Engine, names: Iterable[str]) -> None:
    """Raises ``PermanentFailure`` for the first name that the identity map lacks, with the nearest ids of its service.

    Nothing is refused while there is no map: then nobody knows yet.
    """
    identity_map: Input = lake.scan(IDENTITY_MAP)
    if not engine.query("SELECT 1 FROM identity_map LIMIT 1", {"identity_map": identity_map}).num_rows:
        return
    for name in names:
        service, entity = split_entity(name)
        found = "SELECT 1 FROM identity_map WHERE service = $service AND entity = $entity LIMIT 1"
        params = {"service": service, "entity": entity}
        if not engine.query(found, {"identity_map": identity_map}, params).num_rows:
            raise PermanentFailure(no_such_record(engine, identity_map, name))


def no_such_record(engine: Engine, identity_map: Input, name: str) -> str:
    """What is said of a record that the map lacks."""
    service, entity = split_entity(name)
    inputs = {"identity_map": identity_map}
    services = engine.query("SELECT DISTINCT service FROM identity_map ORDER BY service", inputs)["service"].to_pylist()
    if service not in services:
        return f"'{name}': there is no service '{service}' in the identity map{suggestion(service, services)}"
    alike = (
        "SELECT entity FROM identity_map WHERE service = $service"
        f" AND jaro_winkler_similarity(lower(entity), lower($entity)) >= {_ALIKE}"
        f" ORDER BY jaro_winkler_similarity(lower(entity), lower($entity)) DESC, entity LIMIT {_NEAR}"
    )
    near = engine.query(alike, inputs, {"service": service, "entity": entity})["entity"].to_pylist()
    said = f"; near it are {', '.join(f'{service}/{each}' for each in near)}" if near else ""
    return (
        f"'{name}': {service} has no such customer, its days are not landed yet, or they were erased; expected the "
        f"id that it has there{said}"
    )
