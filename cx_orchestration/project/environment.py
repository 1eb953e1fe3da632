"""What a declaration takes from the environment: ``${NAME}`` becomes the value of the variable ``NAME``."""

import re
from collections.abc import Mapping
from typing import Any

from cx_orchestration.model.failures import PermanentFailure

_PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


def with_environment(text: str, environ: Mapping[str, str], *, where: str) -> str:
    """The text with every ``${NAME}`` filled in.

    Raises ``PermanentFailure`` naming the variables that are not set and ``where`` they are asked for; never a value.
    """
    if absent := [name for name in dict.fromkeys(_PLACEHOLDER.findall(text)) if name not in environ]:
        variables = "variable" if len(absent) == 1 else "variables"
        raise PermanentFailure(f"{where} needs the environment {variables} {', '.join(absent)}; set it and try again")
    return _PLACEHOLDER.sub(lambda match: environ[match.group(1)], text)


def variables_named(declared: Any) -> list[str]:
    """The variables that a declaration needs, in its order: those in ``${NAME}`` and those under keys ``..._env``."""
    found: dict[str, None] = {}

    def look(value: Any, *, names_one: bool) -> None:
        match value:
            case dict():
                for key, inner in value.items():
                    look(inner, names_one=names_one or key.endswith("_env"))
            case list():
                for inner in value:
                    look(inner, names_one=names_one)
            case str():
                found.update(dict.fromkeys([value] if names_one else _PLACEHOLDER.findall(value)))

    look(declared, names_one=False)
    return list(found)


def malformed_placeholder(text: str) -> bool:
    """Whether a ``${`` begins something that is no name of an environment variable."""
    return "${" in _PLACEHOLDER.sub("", text)
