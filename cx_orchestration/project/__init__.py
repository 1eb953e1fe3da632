"""The project folder: everything a company declares, as text in git (``docs/project-folder.md``).

Belongs here: reading the folder, checking it as a whole, its JSON Schemas. Does not belong here: what a declaration
does; the domain packages know that.
"""

from cx_orchestration.project.environment import with_environment
from cx_orchestration.project.load import CXProject, folder_digest

__all__ = ["CXProject", "folder_digest", "with_environment"]
