"""Reads all files of a project folder into their models, collecting what is wrong with each.

Belongs here: which files belong to a project and what they are called. Does not belong here: what must agree between
them (``checks.py``).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from cx_orchestration.catalog.inventory_file import read_inventory
from cx_orchestration.model.failures import ProjectError
from cx_orchestration.model.funnel import DeclaredFunnel, Funnels
from cx_orchestration.model.identity import IdentityConfig, Survivorship
from cx_orchestration.model.identity_overrides import Override, Overrides
from cx_orchestration.model.inventory import InventoryRow
from cx_orchestration.model.journey import JourneyMap
from cx_orchestration.model.scoring import Decision, Decisions, Dimension, ScoringConfig
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.settings import InventoryFile, Settings
from cx_orchestration.model.words import closest
from cx_orchestration.project.declared import read_declared
from cx_orchestration.project.partial import listed, named, names, without_wrong_keys
from cx_orchestration.project.ready_made import ExtendedFile, extended, extends_something, without_a_base
from cx_orchestration.project.wording import shown_text
from cx_orchestration.project.yaml_files import EmptyYaml, YamlFile, YamlProblem, read_yaml

T = TypeVar("T", bound=BaseModel)

INVENTORY = "inventory.csv"
SINGLE_FILES: dict[str, type[BaseModel]] = {
    "project.yaml": Settings,
    "scoring.yaml": ScoringConfig,
    "decisions.yaml": Decisions,
    "identity.yaml": IdentityConfig,
    "identity_overrides.yaml": Overrides,
    "funnels.yaml": Funnels,
}
#: A project that has nothing to say there does without the file, or leaves it empty.
_NOT_NEEDED = {"identity_overrides.yaml", "funnels.yaml"}
FOLDERS = ("services", "journeys")


@dataclass
class Parts:
    """What could be read of a folder; a part that is wrong is ``None`` or absent, and its file is in ``broken``.

    ``services`` and ``journeys`` are by the name of their file. The properties tell what of a wrong part can still be
    checked.
    """

    settings: Settings | None = None
    inventory: list[InventoryRow] | None = None
    scoring: ScoringConfig | None = None
    decisions: Decisions | None = None
    identity: IdentityConfig | None = None
    services: dict[str, ServiceDeclaration] = field(default_factory=dict)
    journeys: dict[str, JourneyMap] = field(default_factory=dict)
    contents: dict[str, YamlFile] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    @property
    def readable_settings(self) -> Settings | None:
        """project.yaml without its wrong keys. The day that stands in for a wrong first one is right by every check."""
        content = self.contents.get("project.yaml")
        return self.settings or without_wrong_keys(Settings, content, name="company", start_date="1970-01-01")

    @property
    def readable_decisions(self) -> dict[int, Decision]:
        """The decisions that are right by themselves, by their position in the file."""
        return listed(Decision, "decisions", self.contents.get("decisions.yaml"))

    @property
    def readable_overrides(self) -> dict[int, Override]:
        """The decisions on who is who that are right by themselves, by their position in the file."""
        return listed(Override, "overrides", self.contents.get("identity_overrides.yaml"))

    @property
    def readable_funnels(self) -> dict[str, DeclaredFunnel]:
        """The funnels that are right by themselves."""
        return named(DeclaredFunnel, "funnels", self.contents.get("funnels.yaml"))

    @property
    def readable_dimensions(self) -> dict[str, Dimension]:
        """The dimensions of scoring.yaml that are right by themselves."""
        return named(Dimension, "dimensions", self.contents.get("scoring.yaml"))

    @property
    def readable_survivorship(self) -> dict[str, Survivorship]:
        """The rules of survivorship that are right by themselves."""
        return named(Survivorship, "survivorship", self.contents.get("identity.yaml"))

    @property
    def namespaces(self) -> list[str] | None:
        """The names of all key namespaces, those of wrong ones too, or ``None`` when they cannot be told."""
        return names("namespaces", self.contents.get("identity.yaml"))

    @property
    def all_services_read(self) -> bool:
        return not any(file.startswith("services/") for file in self.broken)

    def in_order(self, errors: Iterable[ProjectError]) -> list[ProjectError]:
        """Errors by file in reading order and then by line."""
        order = [INVENTORY, *SINGLE_FILES, *FOLDERS]

        def place(error: ProjectError) -> tuple[int, str, int]:
            folder = error.file.split("/")[0]
            known = error.file if error.file in order else folder
            return order.index(known) if known in order else len(order), error.file, error.line or 0

        return sorted(dict.fromkeys(self._placed(error) for error in errors), key=place)

    def _placed(self, error: ProjectError) -> ProjectError:
        """The error with its line, positions in lists written one way, and nothing repeated that must not be."""
        content = self.contents.get(error.file)
        if content is None:
            return error
        path = re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", error.path)
        line = error.line or (content.line_of(path) if path else None)
        expected = error.expected + (content.origin(path) if isinstance(content, ExtendedFile) else "")
        return replace(error, path=path, line=line, value=shown_text(path, error.value), expected=expected)


def declared_files(folder: Path) -> list[Path]:
    """The files that a project folder declares things in, whether or not they are there, in reading order."""
    return [
        folder / INVENTORY,
        *(folder / name for name in SINGLE_FILES),
        *(file for name in FOLDERS for file in _yaml_files(folder / name)),
    ]


def read_folder(folder: Path) -> tuple[Parts, list[ProjectError]]:
    """Every part of a folder that can be read, and what is wrong with the others."""
    parts = Parts()
    if not folder.is_dir():
        what = "expected a folder" if folder.exists() else "there is no such folder; 'cx init' makes one"
        return parts, [ProjectError(str(folder), "", "", what)]
    try:
        errors = list(_misplaced(folder))
    except OSError as error:
        return parts, [ProjectError(str(folder), "", "", f"the folder cannot be read: {error.strerror}")]

    parts.broken |= {error.file for error in errors}

    def declared(model: type[T], file: str) -> T | None:
        if file in _NOT_NEEDED and not (folder / file).exists():
            return model()
        read, wrong = _read(folder, file, model, parts)
        errors.extend(wrong)
        return read

    parts.settings = declared(Settings, "project.yaml")
    parts.scoring = declared(ScoringConfig, "scoring.yaml")
    parts.decisions = declared(Decisions, "decisions.yaml")
    parts.identity = declared(IdentityConfig, "identity.yaml")
    declared(Overrides, "identity_overrides.yaml")
    declared(Funnels, "funnels.yaml")
    parts.inventory, wrong = _read_inventory(folder / INVENTORY, parts)
    errors += wrong
    for file in _yaml_files(folder / "services"):
        service = declared(ServiceDeclaration, f"services/{file.name}")
        if service is not None:
            errors += _named_as(file, "service", service.service)
            parts.services[file.stem] = service
    for file in _yaml_files(folder / "journeys"):
        journey = declared(JourneyMap, f"journeys/{file.name}")
        if journey is not None:
            errors += _named_as(file, "journey", journey.journey)
            parts.journeys[file.stem] = journey
    return parts, errors


def _read(folder: Path, file: str, model: type[T], parts: Parts) -> tuple[T | None, list[ProjectError]]:
    try:
        content = read_yaml(folder / file)
    except YamlProblem as problem:
        if file in _NOT_NEEDED and isinstance(problem, EmptyYaml):
            return model(), []
        parts.broken.add(file)
        column = f"column {problem.column}" if problem.column else ""
        return None, [ProjectError(file, column, "", problem.expected, problem.line)]
    wrong: list[ProjectError] = []
    if model is ServiceDeclaration:
        content, wrong = extended(file, content)
    parts.contents[file] = content
    read, errors = read_declared(model, file, content)
    if extends_something(content) and not isinstance(content, ExtendedFile):
        errors = without_a_base(errors, content)
    errors = [*wrong, *errors]
    if errors:
        parts.broken.add(file)
    return read, errors


def _read_inventory(path: Path, parts: Parts) -> tuple[list[InventoryRow] | None, list[ProjectError]]:
    if not path.is_file():
        return None, [ProjectError(path.name, "", "", "expected a file" if path.exists() else "the file is missing")]
    options = _inventory_options(parts)
    if options is None:
        return None, []
    rows, errors = read_inventory(path, options)
    return (None if errors else rows), errors


def _inventory_options(parts: Parts) -> InventoryFile | None:
    """How project.yaml says that the inventory is written, even when something else is wrong in that file.

    ``None`` when that cannot be told: complaints about the inventory could then be wrong.
    """
    if parts.settings is not None:
        return parts.settings.inventory
    content = parts.contents.get("project.yaml")
    if content is None or not isinstance(content.values, dict):
        return None
    options = YamlFile(content.values.get("inventory", {}), {})
    return read_declared(InventoryFile, "project.yaml", options)[0]


def _yaml_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix == ".yaml" and not file.name.startswith("."))


def _named_as(file: Path, key: str, name: str) -> list[ProjectError]:
    if file.stem == name:
        return []
    expected = f"expected '{file.stem}' as in the file's name, or the file to be called {name}.yaml"
    return [ProjectError(f"{file.parent.name}/{file.name}", key, repr(name), expected)]


def _misplaced(folder: Path) -> Iterator[ProjectError]:
    """Files that look like declarations but would not be read: a silent typo is the worst one."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.name in (*SINGLE_FILES, INVENTORY, *FOLDERS):
            continue
        if entry.is_dir():
            meant = closest(entry.name, FOLDERS)
            if meant and any(_yaml_files(entry)):
                yield ProjectError(f"{entry.name}/", "", "", f"unknown folder; did you mean '{meant}/'?")
        elif entry.suffix in (".yaml", ".yml"):
            meant = closest(f"{entry.stem}.yaml", SINGLE_FILES)
            hint = f"did you mean '{meant}'?" if meant else f"known are {', '.join(SINGLE_FILES)}"
            yield ProjectError(entry.name, "", "", f"unknown file; {hint}")
    for name in FOLDERS:
        if (folder / name).is_file():
            yield ProjectError(name, "", "", "expected a folder")
        for file in sorted((folder / name).rglob("*.y*ml")) if (folder / name).is_dir() else ():
            relative = file.relative_to(folder)
            if file.parent != folder / name and not any(part.startswith(".") for part in relative.parts):
                yield ProjectError(relative.as_posix(), "", "", f"expected it directly in {name}/")
            elif file.suffix == ".yml":
                yield ProjectError(relative.as_posix(), "", "", f"expected the name {file.stem}.yaml")
