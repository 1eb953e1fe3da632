"""``${NAME}`` in what a declaration asks for: an address of the environment, the id of a list or a property.

Belongs here: filling in variables where a service is asked. Does not belong here: credentials (``credentials.py``), and
the stores of a project (``project.environment``).
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

from cx_orchestration.integration.credentials import environment_value
from cx_orchestration.model.endpoint import Endpoint, FeedTombstones, SnapshotTombstones
from cx_orchestration.model.service import Stream

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


def filled(service: str, text: str, environ: Mapping[str, str]) -> str:
    """The text with the variables it names. Raises ``PermanentFailure`` naming one that is not set."""
    return _VARIABLE.sub(lambda match: environment_value(service, match[1], environ), text)


def with_paths_filled(service: str, stream: Stream, environ: Mapping[str, str]) -> Stream:
    """The stream with the variables in its endpoints' paths; a value becomes one segment of a path. Raises likewise.

    Only what was declared is filled in: an address that a service answers with could ask for anything.
    """

    def value(match: re.Match[str]) -> str:
        return quote(environment_value(service, match[1], environ), safe="")

    def with_path(endpoint: Endpoint) -> Endpoint:
        return endpoint.model_copy(update={"path": _VARIABLE.sub(value, endpoint.path)})

    changes: dict[str, object] = {}
    if stream.endpoint is not None:
        changes["endpoint"] = with_path(stream.endpoint)
    if isinstance(stream.tombstones, FeedTombstones | SnapshotTombstones) and stream.tombstones.endpoint is not None:
        changes["tombstones"] = stream.tombstones.model_copy(update={"endpoint": with_path(stream.tombstones.endpoint)})
    return stream.model_copy(update=changes)
