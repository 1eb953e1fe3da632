"""The small commented project that ``cx init`` writes.

Belongs here: putting it in place. Does not belong here: its text, which lies in ``project_template/``; the scoring
that a company starts with, which is the default of ``scoring``.
"""

import shutil
from pathlib import Path

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.project.schemas import write_schemas

_PACKAGE = Path(__file__).parent.parent
_TEMPLATE = _PACKAGE / "project_template"
_DEFAULT_SCORING = _PACKAGE / "scoring" / "default_scoring.yaml"

#: The folder inside a project where editors find the schemas that the files' first lines point to.
SCHEMA_FOLDER = ".schema"

_SCORING_SCHEMA = f"# yaml-language-server: $schema={SCHEMA_FOLDER}/scoring.schema.json\n"
_IGNORED_BY_GIT = "/lake/\n/registry.db*\n.env\n"


def write_template(folder: Path) -> list[Path]:
    """Write the template into a folder that is new or empty (a ``.git`` is allowed); returns the files, sorted.

    Raises ``PermanentFailure`` when the folder has content or cannot be written.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise PermanentFailure(f"{folder} is a file; name a new or empty folder")
        if folder.is_dir() and (content := sorted(e.name for e in folder.iterdir() if e.name != ".git")):
            raise PermanentFailure(f"{folder} is not empty ({content[0]} is there); name a new or empty folder")
        shutil.copytree(_TEMPLATE, folder, dirs_exist_ok=True)
        scoring = _DEFAULT_SCORING.read_text(encoding="utf-8")
        (folder / "scoring.yaml").write_text(_SCORING_SCHEMA + scoring, encoding="utf-8")
        (folder / ".gitignore").write_text(_IGNORED_BY_GIT, encoding="utf-8")
    except OSError as error:
        raise PermanentFailure(f"{error.filename or folder} cannot be written: {error.strerror}") from error
    schemas = write_schemas(folder / SCHEMA_FOLDER)
    written = [file for file in folder.rglob("*") if file.is_file() and ".git" not in file.relative_to(folder).parts]
    return sorted(file for file in written if file not in schemas)
