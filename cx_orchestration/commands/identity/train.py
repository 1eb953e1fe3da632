"""``cx identity train``: a new model of how records of one person differ, learnt from the lake's profiles."""

import datetime as dt
import math
from pathlib import Path
from uuid import uuid4

from rich.table import Table

from cx_orchestration.commands.options import LakeFolder, ProjectFolder
from cx_orchestration.commands.terminal import terminal
from cx_orchestration.identity.matching.nights import train_model
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project import CXProject
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


def train(project: ProjectFolder = Path(), lake: LakeFolder = None) -> None:
    """Train the model that weighs pairs, on today's profiles and without labels.

    The next run of identity/links goes by it; pairs near the threshold stay on their side (matching.margin_bits).
    """
    loaded = CXProject.load(project)
    chosen = Lake(lake or loaded.lake_root)
    model = train_model(chosen, Engine(), loaded.identity, now=dt.datetime.now(dt.UTC), run_id=str(uuid4()))
    if model is None:
        raise PermanentFailure(
            f"{chosen.root}: the profiles have no names or dates to compare, or there are too few of them; exact keys "
            "alone link. Map given_name, family_name, name or birth_date in services/*.yaml, then run identity/profiles"
        )
    console = terminal()
    console.print(f"Model {model.version}, learnt from {model.entities:,} records. Bits by level of agreement:")
    table = Table("compared", "level", "one person", "by chance", "bits")
    for comparison in model.settings["comparisons"]:
        for level in comparison["comparison_levels"][1:]:
            m, u = level["m_probability"], level["u_probability"]
            name, label = comparison["output_column_name"], level["label_for_charts"]
            table.add_row(name, label, f"{m:.4f}", f"{u:.6f}", f"{math.log2(m / u):+.1f}")
    console.print(table)
