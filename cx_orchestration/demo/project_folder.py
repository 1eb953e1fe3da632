"""The demo company's project folder: where it lies in the package, and a copy for a company of other dates.

Belongs here: copying and setting dates. Does not belong here: reading a project (``cx_orchestration.project``).
"""

import re
import shutil
from importlib.resources import as_file, files
from pathlib import Path

from cx_orchestration.demo.company import Company
from cx_orchestration.model.failures import PermanentFailure


def write_project(folder: Path | str, company: Company) -> Path:
    """Copy the demo's project folder and let it span the company's days. Returns the folder.

    Files of an earlier copy are replaced; whatever else lies there, such as its lake, stays.
    """
    folder = Path(folder)
    with as_file(files("cx_orchestration.demo") / "project") as source:
        for file in sorted(source.rglob("*")):
            if file.suffix in (".yaml", ".csv"):
                target = folder / file.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
    settings = folder / "project.yaml"
    text = settings.read_text(encoding="utf-8")
    for key, day in (("start_date", company.days.first), ("end_date", company.days.last)):
        text, count = re.subn(rf"^{key}: .*$", f"{key}: {day.isoformat()}", text, flags=re.MULTILINE)
        if count != 1:
            raise PermanentFailure(f"{settings}: expected one line '{key}: ...', found {count}; reinstall the package")
    settings.write_text(text, encoding="utf-8")
    return folder
