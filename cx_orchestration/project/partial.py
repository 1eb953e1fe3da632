"""What of a file with mistakes can still be checked against the others, so that all errors come at once.

Belongs here: the entries of a file that are right by themselves. Does not belong here: what is wrong with the others
(``declared.py``).
"""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from cx_orchestration.model.base import Slug
from cx_orchestration.project.yaml_files import YamlFile

T = TypeVar("T", bound=BaseModel)


def listed(model: type[T], key: str, content: YamlFile | None) -> dict[int, T]:
    """The entries of the list under a key that are right by themselves, by their position in the file."""
    entries = _under(key, content)
    if not isinstance(entries, list):
        return {}
    adapter = TypeAdapter(model)
    read = ((number, _valid(adapter, entry)) for number, entry in enumerate(entries))
    return {number: entry for number, entry in read if entry is not None}


def named(model: type[T], key: str, content: YamlFile | None) -> dict[str, T]:
    """The entries of the mapping under a key that are right by themselves, by name."""
    entries = _under(key, content)
    if not isinstance(entries, dict):
        return {}
    adapter = TypeAdapter(dict[Slug, model])  # type: ignore[valid-type]  # the model is known only when this runs
    read = (_valid(adapter, {name: entry}) for name, entry in entries.items())
    return {name: entry for one in read if one is not None for name, entry in one.items()}


def names(key: str, content: YamlFile | None) -> list[str] | None:
    """The names of the mapping under a key, those of wrong entries too; ``None`` when no mapping is there."""
    entries = _under(key, content)
    return list(entries) if isinstance(entries, dict) else None


def without_wrong_keys(model: type[T], content: YamlFile | None, **stand_ins: Any) -> T | None:
    """The model of a file whose wrong top-level keys are left out, needed ones replaced by a stand-in.

    ``None`` when that leaves nothing that could be read.
    """
    if content is None or not isinstance(content.values, dict):
        return None
    adapter = TypeAdapter(model)
    try:
        return adapter.validate_json(json.dumps(content.values), strict=True)
    except ValidationError as error:
        wrong = {detail["loc"][0] for detail in error.errors(include_url=False, include_input=False) if detail["loc"]}
    kept = {key: value for key, value in content.values.items() if key not in wrong}
    read: T | None = _valid(adapter, {**stand_ins, **kept})
    return read


def _under(key: str, content: YamlFile | None) -> Any:
    return content.values.get(key) if content is not None and isinstance(content.values, dict) else None


def _valid(adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        return adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return None
