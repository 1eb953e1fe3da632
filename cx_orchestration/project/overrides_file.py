"""Adds a decision to ``identity_overrides.yaml``, whose comments and order stay as people wrote them.

Belongs here: the text of that file. Does not belong here: what a decision means (``identity.overrides``).
"""

import datetime as dt
import json
import re
from collections.abc import Sequence
from pathlib import Path

from cx_orchestration.identity.overrides import OVERRIDES_FILE, why_refused
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.identity_overrides import Override
from cx_orchestration.project.load import CXProject
from cx_orchestration.project.yaml_files import EmptyYaml, YamlFile, YamlProblem, parse_yaml

_NEW_FILE = "# What people decided about who is who, where the rules cannot know.\n"
_EMPTY = re.compile(r"^overrides:[ \t]*(\[[ \t]*\]|null|~)?[ \t]*(#.*)?$", re.MULTILINE)
_ITEM = re.compile(r"^([ \t]*)- ", re.MULTILINE)


def add_override(project: CXProject, override: Override, now: dt.datetime) -> Path:
    """Write the decision at the end of the project's file, which is made if it is not there; returns its path.

    Raises ``PermanentFailure`` when it cannot stand beside the others, and when the file is written in a way to which
    nothing can be added safely. Then nothing is changed.
    """
    file = project.folder / OVERRIDES_FILE
    before = file.read_text(encoding="utf-8") if file.is_file() else _NEW_FILE
    written = _read(before)
    services = {row.service for row in project.inventory}
    today = now.astimezone(project.zone).date()

    def place(at: int) -> str:
        return f"{OVERRIDES_FILE}:{written.line(('overrides', at))} (overrides[{at}])"

    if why := why_refused(project.overrides, override, services, today, place):
        raise PermanentFailure(f"the decision was refused, and nothing was written: {why}")
    wanted = [*project.overrides, override]
    after = _with_entry(before, override)
    if not _says(after, wanted):
        raise PermanentFailure(
            f"{file}: the decision cannot be added without changing what people wrote; add it yourself:\n"
            f"{_entry(override, '  ')}"
        )
    unfinished = file.with_suffix(".yaml.unfinished")
    unfinished.write_text(after, encoding="utf-8")
    return unfinished.replace(file)


def _read(text: str) -> YamlFile:
    try:
        return parse_yaml(text)
    except EmptyYaml:
        return YamlFile({}, {})


def _with_entry(text: str, override: Override) -> str:
    body = text.rstrip() + "\n"
    empty = _EMPTY.search(body)
    if empty and not _ITEM.search(body, empty.end()):
        comment = f"  {empty[2]}" if empty[2] else ""
        return body[: empty.start()] + f"overrides:{comment}\n" + _entry(override, "  ") + body[empty.end() + 1 :]
    if not _read(text).values:
        return (f"{body}\n" if body.strip() else "") + "overrides:\n" + _entry(override, "  ")
    start = body.find("overrides:")
    item = _ITEM.search(body, max(start, 0))
    return body + _entry(override, item[1] if item else "  ")


def _entry(override: Override, indent: str) -> str:
    values = override.model_dump(mode="json")
    lines = [f"{name}: {value if name in ('decision', 'on') else _quoted(value)}" for name, value in values.items()]
    return f"{indent}- " + f"\n{indent}  ".join(lines) + "\n"


def _quoted(value: str) -> str:
    """As plain text where nobody could read it otherwise, else in quotes, as JSON and YAML both read them."""
    plain = re.fullmatch(r"[A-Za-z][\w /.,'()-]*[\w.)]", value)
    is_a_word = value.lower() in ("true", "false", "null", "yes", "no", "on", "off")
    return value if plain and not is_a_word else json.dumps(value, ensure_ascii=False)


def _says(text: str, wanted: Sequence[Override]) -> bool:
    try:
        values = parse_yaml(text).values
    except YamlProblem:
        return False
    return bool(values == {"overrides": [override.model_dump(mode="json") for override in wanted]})
