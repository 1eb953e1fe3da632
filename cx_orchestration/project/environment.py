"""What a declaration takes from the environment: ``${NAME}`` becomes the value of the variable ``NAME``."""

import re
from collections.abc import Mapping

from cx_orchestration.model.failures import PermanentFailure

_PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


def with_environment(text: str, environ: Mapping[str, str], *, where: str) -> str:
    """The text with every ``${NAME}`` filled in.

    Raises ``PermanentFailure`` naming the variables that are not set and ``where`` they are asked for; never a value.
    """
    if absent := [name for name in dict.fromkeys(_PLACEHOLDER.findall(text)) if name not in environ]:
        raise PermanentFailure(f"{where} needs the environment variable {', '.join(absent)}; set it and try again")
    return _PLACEHOLDER.sub(lambda match: environ[match.group(1)], text)


def malformed_placeholder(text: str) -> bool:
    """Whether a ``${`` begins something that is no name of an environment variable."""
    return "${" in _PLACEHOLDER.sub("", text)
