"""JSON Schemas of the YAML files of a project folder, so that editors complete and check them.

Belongs here: generating the schemas, writing them, comparing those written. Does not belong here: what they allow;
the models in ``model`` say that.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.funnel import Funnels
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.identity_overrides import Overrides
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.scoring import Decisions, ScoringConfig
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.settings import Settings
from cx_orchestration.project.partial_schemas import either_whole_or_extending
from cx_orchestration.project.ready_made import ready_made_names

#: The schemas as they ship with the package.
SHIPPED = Path(__file__).parent.parent / "schemas"


@dataclass(frozen=True)
class FileKind:
    """One kind of YAML file: its schema's name, the model that reads it, and where in a project it lies."""

    name: str
    model: type[BaseModel]
    files: str

    @property
    def schema_file(self) -> str:
        return f"{self.name}.schema.json"


PROJECT = FileKind("project", Settings, "project.yaml")
SCORING = FileKind("scoring", ScoringConfig, "scoring.yaml")
DECISIONS = FileKind("decisions", Decisions, "decisions.yaml")
IDENTITY = FileKind("identity", IdentityConfig, "identity.yaml")
OVERRIDES = FileKind("identity_overrides", Overrides, "identity_overrides.yaml")
FUNNELS = FileKind("funnels", Funnels, "funnels.yaml")
SERVICE = FileKind("service", ServiceDeclaration, "services/*.yaml")
JOURNEY = FileKind("journey", JourneyMap, "journeys/*.yaml")
FILE_KINDS = (PROJECT, SCORING, DECISIONS, IDENTITY, OVERRIDES, FUNNELS, SERVICE, JOURNEY)


class _OnlyNamedKeys(GenerateJsonSchema):
    """A mapping whose keys follow a pattern has no other keys."""

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        result = super().dict_schema(schema)
        if "patternProperties" in result:
            result.setdefault("additionalProperties", False)
        return result


@cache
def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of what a person may write for a model."""
    return model.model_json_schema(mode="validation", by_alias=True, schema_generator=_OnlyNamedKeys)


def schema_texts() -> dict[str, str]:
    """The text of every schema by file name."""
    return {kind.schema_file: _text(kind) for kind in FILE_KINDS}


def write_schemas(folder: Path) -> list[Path]:
    """Write all schemas into a folder, made if need be; returns their paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in schema_texts().items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise PermanentFailure(f"{folder}: the schemas cannot be written there: {error.strerror}") from error
    return [folder / name for name in schema_texts()]


def stale_schemas(folder: Path) -> list[str]:
    """The names of the schemas in a folder that are missing or are not what the models say now."""
    return [
        name
        for name, text in schema_texts().items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != text.encode()
    ]


def _text(kind: FileKind) -> str:
    schema = schema_of(kind.model)
    if kind is SERVICE:
        schema = either_whole_or_extending(schema, ready_made_names())
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": f"{kind.files} of a cx_orchestration project",
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
