"""Turns the values of a file into a model, and what pydantic finds wrong into errors that people can act on.

Belongs here: one error a problem, in the file's own terms. Does not belong here: checks across files (``checks.py``).
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cx_orchestration.model.failures import ProjectError
from cx_orchestration.model.words import closest, suggestion
from cx_orchestration.project.schemas import schema_of
from cx_orchestration.project.wording import Allowed, shown_path, shown_value, value_at
from cx_orchestration.project.yaml_files import KeyPath, YamlFile

T = TypeVar("T", bound=BaseModel)

#: A file that is wrong in more places than this is not the file that was meant.
_MOST_ERRORS = 200
_MISSING = "is missing"

#: pydantic's complaints that a value is of another type altogether; the others are about its content.
_OTHER_SHAPE = {
    "bool_type",
    "date_type",
    "dict_type",
    "float_type",
    "int_type",
    "list_type",
    "model_type",
    "string_type",
}


def read_declared(model: type[T], file: str, content: YamlFile) -> tuple[T | None, list[ProjectError]]:
    """The model that a file declares, or everything that is wrong with it.

    Nothing is converted on the way: ``"5"`` is no number and ``1`` no truth value.
    """
    try:
        return model.model_validate_json(json.dumps(content.values), strict=True), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, _Translation(file, content, Allowed(schema_of(model), content.values)).errors(details)


@dataclass(frozen=True)
class _Complaint:
    """One detail of pydantic's with the part of its location that is still to walk."""

    rest: tuple[str | int, ...]
    detail: ErrorDetails


class _Translation:
    def __init__(self, file: str, content: YamlFile, allowed: Allowed) -> None:
        self._file = file
        self._content = content
        self._allowed = allowed
        self._meant: set[str] = set()  # the keys that misspelt ones stand for: they are not missing as well

    def errors(self, details: list[ErrorDetails]) -> list[ProjectError]:
        complaints = [_Complaint(detail["loc"], detail) for detail in details[:_MOST_ERRORS]]
        found = dict.fromkeys(self._walk((), self._content.values, complaints))
        errors = [error for error in found if not (error.expected.startswith(_MISSING) and error.path in self._meant)]
        if len(details) > _MOST_ERRORS:
            errors.append(
                ProjectError(self._file, "", "", f"{len(details) - _MOST_ERRORS} further errors are not shown")
            )
        return errors

    def _walk(self, path: KeyPath, value: Any, complaints: list[_Complaint]) -> list[ProjectError]:
        """Errors at and below a path. Locations also name the alternatives of a union, which no file contains."""
        here: list[ErrorDetails] = []
        inner: dict[str | int, list[_Complaint]] = defaultdict(list)
        alternatives: dict[str | int, list[_Complaint]] = defaultdict(list)
        for complaint in complaints:
            if not complaint.rest or complaint.rest == ("[key]",):
                here.append(complaint.detail)
                continue
            part, rest = complaint.rest[0], complaint.rest[1:]
            exists = part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int)
            if exists or (not rest and complaint.detail["type"] == "missing"):
                inner[part].append(_Complaint(rest, complaint.detail))
            else:
                alternatives[part].append(_Complaint(rest, complaint.detail))
        errors = [self._error(path, value, detail) for detail in here]
        errors += [
            error for part, below in inner.items() for error in self._walk((*path, part), value_at(value, part), below)
        ]
        for fitting in self._fitting(alternatives):
            errors += self._walk(path, value, fitting)
        return errors

    def _fitting(self, alternatives: dict[str | int, list[_Complaint]]) -> list[list[_Complaint]]:
        """The alternatives of a union whose shape the value has; all of them when it has none."""
        fitting = [
            complaints
            for complaints in alternatives.values()
            if not any(not c.rest and c.detail["type"] in _OTHER_SHAPE for c in complaints)
        ]
        return fitting or list(alternatives.values())

    def _error(self, path: KeyPath, value: Any, detail: ErrorDetails) -> ProjectError:
        kind = detail["type"]
        if kind == "missing":
            description = self._allowed.description(path)
            return self._say(path, "", _MISSING + (f": {description}" if description else ""))
        if kind == "extra_forbidden":
            known = self._allowed.keys(path[:-1])
            meant = closest(path[-1], known)
            if meant is None:
                return self._say(path, "", f"unknown key; known are {', '.join(known)}")
            self._meant.add(shown_path((*path[:-1], meant)))
            return self._say(path, "", f"unknown key; did you mean '{meant}'?")
        if kind in ("union_tag_not_found", "union_tag_invalid"):
            tags = self._allowed.tags(path)
            tag = value.get("type") if isinstance(value, dict) else None
            expected = "expected one of " + ", ".join(tags)
            if tag is None:
                return self._say((*path, "type"), "", f"{_MISSING}; {expected}")
            return self._say((*path, "type"), shown_value((*path, "type"), tag), expected + suggestion(tag, tags))
        if detail["loc"][-1:] == ("[key]",):
            return self._say(path, "", self._allowed.key_pattern(path[:-1]) + " as the key")
        if kind == "value_error":
            scalar = not isinstance(value, dict | list)
            return self._say(path, shown_value(path, value) if scalar else "", str(detail["ctx"]["error"]))
        expected = self._allowed.expected(path)
        if isinstance(value, str):
            expected += suggestion(value, self._allowed.choices(path))
        elif expected == "expected text" and isinstance(value, int | float):
            expected += "; write it in quotes"
        return self._say(path, shown_value(path, value), expected)

    def _say(self, path: KeyPath, value: str, expected: str) -> ProjectError:
        return ProjectError(self._file, shown_path(path), value, expected, self._content.line(path))
