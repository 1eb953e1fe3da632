"""``journeys/maps``: every version of every journey map that was ever folded with, and since when.

Belongs here: which versions are in force when, and keeping them. Does not belong here: what an instance in flight does
when its map has a newer version (``kernel``).
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from cx_orchestration.journeys.charts import ALWAYS, CompiledMap, Version, compile_versions
from cx_orchestration.model import tables
from cx_orchestration.model.failures import InvalidProject, PermanentFailure, ProjectError
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.storage.lake import Lake


def compile_in_use(lake: Lake, maps: Sequence[JourneyMap], *, as_of: dt.datetime, run_id: str) -> list[CompiledMap]:
    """The declared maps in their order, each compiled with its earlier versions; one that is new is kept.

    The first version of a map that is known counts for all times before the next one. A later one is in force from the
    ``as_of`` of the fold that sees it first. A map that changes without a new version replaces what it was, for all
    times. Raises ``InvalidProject``, before anything is kept, for maps that are not sound, and for a version older than
    one that was in use.
    """
    kept = _kept(lake)
    compiled, rows = _succeeded(kept, maps, as_of=as_of)
    if rows != kept:
        lake.replace(tables.JOURNEY_MAPS, pa.Table.from_pylist(rows, tables.JOURNEY_MAPS.schema), run_id=run_id)
    return compiled


def errors_of_succession(lake: Lake, maps: Sequence[JourneyMap]) -> list[ProjectError]:
    """What would keep ``compile_in_use`` from going on with these maps. Nothing is written."""
    try:
        _succeeded(_kept(lake), maps, as_of=dt.datetime.now(dt.UTC))
    except InvalidProject as invalid:
        return invalid.errors
    return []


def known_versions(lake: Lake) -> list[JourneyMap]:
    """Every version of every map that journeys were folded with, by journey and version."""
    return [_version(row).journey_map for row in _kept(lake)]


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

#: A row of ``journeys/maps``.
_Row = dict[str, Any]


def _kept(lake: Lake) -> list[_Row]:
    rows = lake.read(tables.JOURNEY_MAPS).sort_by([("journey", "ascending"), ("version", "ascending")])
    found: list[_Row] = rows.to_pylist()
    return found


def _succeeded(
    kept: Sequence[_Row], maps: Sequence[JourneyMap], *, as_of: dt.datetime
) -> tuple[list[CompiledMap], list[_Row]]:
    """The maps compiled with their earlier versions, and what is to be kept from now on."""
    in_use = {one.journey: [row for row in kept if row["journey"] == one.journey] for one in maps}
    rows = [row for row in kept if row["journey"] not in in_use]
    compiled: list[CompiledMap] = []
    errors: list[ProjectError] = []
    for one in maps:
        earlier = [row for row in in_use[one.journey] if row["version"] < one.version]
        known = {row["version"]: row["since"] for row in in_use[one.journey]}
        if known and one.version < max(known):
            expected = f"expected at least {max(known)}, which was in use; to go back, declare the steps as a newer one"
            errors.append(ProjectError(f"journeys/{one.journey}.yaml", "version", str(one.version), expected))
            continue
        since = known.get(one.version, as_of if known else None)
        rows += [*earlier, {"journey": one.journey, "version": one.version, "since": since, "body": _body(one)}]
        versions = [*(_version(row) for row in earlier), Version(one, _microseconds(since))]
        try:
            compiled.append(compile_versions(versions))
        except InvalidProject as invalid:
            errors += invalid.errors
    if errors:
        raise InvalidProject("journey maps", errors)
    return compiled, sorted(rows, key=lambda row: (row["journey"], row["version"]))


def _body(journey_map: JourneyMap) -> str:
    return journey_map.model_dump_json(by_alias=True, exclude_defaults=True)


def _version(row: dict[str, object]) -> Version:
    try:
        journey_map = JourneyMap.model_validate_json(str(row["body"]))
    except ValidationError as error:
        raise PermanentFailure(
            f"{tables.JOURNEY_MAPS.path}: version {row['version']} of {row['journey']} was kept by a release that read "
            f"maps otherwise ({error.error_count()} errors); instances in flight cannot go on with it. Remove its row"
        ) from None
    return Version(journey_map, _microseconds(row["since"]))


def _microseconds(since: object) -> int:
    if not isinstance(since, dt.datetime):
        return ALWAYS
    return (since - _EPOCH) // dt.timedelta(microseconds=1)
