"""The ready-made declarations of the package, and a project's file that changes one: ``extends: zendesk``.

Belongs here: which there are, and laying a project's file over one. Does not belong here: the declarations themselves,
which lie in ``services/``, and whether the result is right (``declared.py``, ``checks.py``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cx_orchestration.model.failures import PermanentFailure, ProjectError
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.words import suggestion
from cx_orchestration.project.wording import shown_path, shown_value
from cx_orchestration.project.yaml_files import KeyPath, YamlFile, read_yaml

#: Where the ready-made declarations lie, one file a vendor.
READY_MADE = Path(__file__).parent.parent / "services"


@dataclass(frozen=True)
class ExtendedFile(YamlFile):
    """A project's file laid over the ready-made ``base``; ``lines`` are those of the project's file.

    ``inherited`` has the lines in the base of what came from there, of mappings that both files make up too.
    """

    base: str
    inherited: dict[KeyPath, int]

    def origin(self, written: str) -> str:
        """``; inherited from ...`` when the value at a path as errors write it, or what is around it, came from the
        base; else nothing."""
        by_name = {shown_path(path): path for path in (*self.inherited, *self.lines)}
        while written not in by_name:
            written = written[: max(written.rfind("."), written.rfind("["), 0)]
        path = by_name[written]
        if path not in self.inherited:
            return ""
        how = "partly inherited" if path in self.lines else "inherited"
        return f"; {how} from the ready-made {self.base}.yaml, line {self.inherited[path]}"


def ready_made_names(folder: Path = READY_MADE) -> list[str]:
    """The names that ``extends`` may give, in alphabetical order."""
    return sorted(file.stem for file in folder.glob("*.yaml"))


def ready_made_text(name: str) -> str:
    """A ready-made declaration as it lies in the package. Raises ``PermanentFailure`` when there is none."""
    if name not in (known := ready_made_names()):
        raise PermanentFailure(
            f"there is no ready-made service '{name}'{suggestion(name, known)}; 'cx services' lists them"
        )
    return (READY_MADE / f"{name}.yaml").read_text(encoding="utf-8")


def ready_made(name: str) -> ServiceDeclaration:
    """A ready-made declaration."""
    return ServiceDeclaration.model_validate(_base(READY_MADE / f"{name}.yaml").values)


def extended(file: str, content: YamlFile, folder: Path = READY_MADE) -> tuple[YamlFile, list[ProjectError]]:
    """A service's file laid over the declaration that it extends, and what is wrong with how it does.

    Mappings merge deeply, lists and other values replace, ``null`` removes a key. A mapping whose ``type`` is another
    than the base's replaces it as a whole, since the two have different keys. A file that extends nothing, or nothing
    known, comes back as it is.
    """
    if not extends_something(content):
        return content, []
    name, known = content.values["extends"], ready_made_names(folder)
    line = content.line(("extends",))
    if name not in known:
        meant = suggestion(name, known) if isinstance(name, str) else ""
        expected = f"expected a ready-made service ({', '.join(known)}){meant}"
        return content, [ProjectError(file, "extends", shown_value(("extends",), name), expected, line)]
    base = _base(folder / f"{name}.yaml")
    overlay = _Overlay(file, content, base, name)
    values = overlay.merged((), base.values, content.values)
    lines = content.lines | {(): line or 1}
    return ExtendedFile(values, lines, base=name, inherited=overlay.inherited), overlay.errors


def extends_something(content: YamlFile) -> bool:
    """Whether a file names a declaration that it changes, known or not."""
    return isinstance(content.values, dict) and content.values.get("extends") is not None


def without_a_base(errors: Iterable[ProjectError], content: YamlFile) -> list[ProjectError]:
    """Of the errors of a file whose base is not known, those that are errors under any: unknown keys, wrong values."""
    values = {shown_path(path): _value_at(content.values, path) for path in content.lines}
    return [
        error
        for error in errors
        if error.expected.startswith("unknown key")
        or (error.path in values and error.path != "extends" and not isinstance(values[error.path], dict))
    ]


class _Overlay:
    def __init__(self, file: str, content: YamlFile, base: YamlFile, name: str) -> None:
        self._file = file
        self._content = content
        self._base = base
        self._name = name
        self.inherited: dict[KeyPath, int] = {}
        self.errors: list[ProjectError] = []

    def merged(self, path: KeyPath, base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
        self._inherit(path)
        values = dict(base)
        for key, value in over.items():
            here, inherited = (*path, key), base.get(key)
            if value is None and key in base:
                del values[key]
            elif value is None:
                self._nothing_to_remove(here, base)
            elif isinstance(value, dict) and isinstance(inherited, dict) and not _of_another_type(inherited, value):
                values[key] = self.merged(here, inherited, value)
            else:
                values[key] = value
        for key in base.keys() - over.keys():
            self._inherit_all((*path, key))
        return values

    def _nothing_to_remove(self, path: KeyPath, base: dict[str, Any]) -> None:
        expected = (
            f"expected a value: null removes a key of the ready-made {self._name}.yaml, which has none of this name"
        )
        expected += suggestion(path[-1], base)
        self.errors.append(ProjectError(self._file, shown_path(path), "nothing", expected, self._content.line(path)))

    def _inherit(self, path: KeyPath) -> None:
        self.inherited[path] = self._base.lines.get(path, 1)

    def _inherit_all(self, path: KeyPath) -> None:
        self.inherited |= {each: line for each, line in self._base.lines.items() if each[: len(path)] == path}


def _of_another_type(base: dict[str, Any], over: dict[str, Any]) -> bool:
    return "type" in over and "type" in base and over["type"] != base["type"]


def _value_at(values: Any, path: KeyPath) -> Any:
    for part in path:
        values = values[part]
    return values


@cache
def _base(file: Path) -> YamlFile:
    return read_yaml(file)
