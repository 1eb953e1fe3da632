"""The JSON Schema of a service's file that extends a ready-made declaration: nothing is required, null removes.

Belongs here: loosening one schema. Does not belong here: generating it (``schemas.py``), merging (``ready_made.py``).
"""

from typing import Any

Schema = dict[str, Any]

_REFERENCE = "#/$defs/"
_LOOSE = "Changed"
#: Words of a schema that a mapping which is merged with another need not obey by itself.
_DROPPED = {"required", "minProperties", "discriminator"}


def either_whole_or_extending(schema: Schema, names: list[str]) -> Schema:
    """The schema of a file that is whole by itself or, with ``extends``, says only what differs from ``names``."""
    definitions: dict[str, Schema] = dict(schema["$defs"])
    root = {key: value for key, value in schema.items() if key != "$defs"}
    root = {**root, "properties": {**root["properties"], "extends": _one_of(root["properties"]["extends"], names)}}
    loose = _Loosened(definitions).mapping(root)
    return {
        "$defs": {**definitions, "Whole": root, "Extending": loose},
        "if": {"required": ["extends"]},
        "then": {"$ref": f"{_REFERENCE}Extending"},
        "else": {"$ref": f"{_REFERENCE}Whole"},
    }


def _one_of(extends: Schema, names: list[str]) -> Schema:
    return {"description": extends["description"], "enum": names, "type": "string"}


class _Loosened:
    """Adds to ``definitions`` a loose twin of each that is met under a mapping.

    Lists replace, so what is in them stays strict.
    """

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self._definitions = definitions

    def mapping(self, node: Schema) -> Schema:
        loose = {key: value for key, value in node.items() if key not in _DROPPED}
        for key in ("properties", "patternProperties"):
            if key in node:
                loose[key] = {name: self._or_null(inner) for name, inner in node[key].items()}
        if isinstance(node.get("additionalProperties"), dict):
            loose["additionalProperties"] = self._or_null(node["additionalProperties"])
        return loose

    def _node(self, node: Schema) -> Schema:
        if "$ref" in node:
            return {**node, "$ref": _REFERENCE + self._twin(node["$ref"].removeprefix(_REFERENCE))}
        for key in ("anyOf", "oneOf"):
            if key in node:
                loose = {name: value for name, value in node.items() if name not in (key, *_DROPPED)}
                # Without required keys a mapping may fit several alternatives.
                return {**loose, "anyOf": [self._node(option) for option in node[key]]}
        return self.mapping(node)

    def _twin(self, name: str) -> str:
        twin = _LOOSE + name
        if twin not in self._definitions:
            self._definitions[twin] = {}  # met already, should it contain itself
            self._definitions[twin] = self._node(self._definitions[name])
        return twin

    def _or_null(self, node: Schema) -> Schema:
        loose = self._node(node)
        options = loose.pop("anyOf") if set(loose) <= {"anyOf", "description", "title", "default"} else [loose]
        null = {"type": "null"}
        about: Schema = {key: loose.pop(key) for key in ("description", "default") if key in loose}
        return {**about, "anyOf": [*options, *([] if null in options else [null])]}
