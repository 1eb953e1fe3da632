"""The truth about a demo company, kept apart from its services and its project: who is who, and what was planted.

Belongs here: the record of the truth, and writing and reading it. Does not belong here: judging results against it
(``compare``).
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cx_orchestration.model.failures import PermanentFailure


@dataclass(frozen=True)
class Consequence:
    """A result that is true because of a planted cause: any value of the segment, at any step."""

    analysis: str
    segment: str


@dataclass(frozen=True)
class PlantedFinding:
    """One planted cause and where it must be found; ``step`` is ``None`` where the whole journey counts."""

    id: str
    analysis: str
    step: str | None
    segment: str
    value: str
    what: str
    consequences: tuple[Consequence, ...]


@dataclass(frozen=True)
class Truth:
    """``who`` has the columns service, entity, person, one row for each customer of each service."""

    who: pd.DataFrame
    planted: tuple[PlantedFinding, ...]
    people: int
    seed: int
    null: bool

    def write(self, folder: Path | str) -> None:
        """Write ``who_is_who.parquet`` and ``truth.json`` into a folder, which is made if it is not there."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.who.to_parquet(folder / "who_is_who.parquet", index=False)
        about = {
            "people": self.people,
            "seed": self.seed,
            "null": self.null,
            "planted": [asdict(finding) for finding in self.planted],
        }
        (folder / "truth.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path | str) -> "Truth":
        """What ``write`` wrote; raises ``PermanentFailure`` where there is none."""
        folder = Path(folder)
        if not (folder / "truth.json").exists():
            raise PermanentFailure(f"{folder} holds no truth.json: name the folder that the demo wrote its truth into")
        about = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        return cls(
            who=pd.read_parquet(folder / "who_is_who.parquet"),
            planted=tuple(_planted(entry) for entry in about["planted"]),
            people=about["people"],
            seed=about["seed"],
            null=about["null"],
        )


def _planted(entry: dict[str, Any]) -> PlantedFinding:
    consequences = tuple(Consequence(**consequence) for consequence in entry.pop("consequences"))
    return PlantedFinding(**entry, consequences=consequences)
