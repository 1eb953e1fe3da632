"""The base of everything a company declares as text, and the names it may use."""

import re
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

SLUG_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"

#: A name that may become part of an asset key, a folder of the lake, or a resource key.
Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN)]

#: The name of an environment variable: declarations carry these, never the secret itself.
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]

EVENT_TYPE_PATTERN = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$"

#: A dotted event type such as ``order.completed``.
EventType = Annotated[str, StringConstraints(pattern=EVENT_TYPE_PATTERN, max_length=80)]

OWNER_PATTERN = r"^(team:.+|[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7})$"

#: Who answers for something in Dagster, which takes an e-mail address or ``team:name`` and nothing else.
Owner = Annotated[str, StringConstraints(pattern=OWNER_PATTERN)]


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    # Names of folders in the zone database, and names too long for a file, are an OSError.
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("expected an IANA time zone such as Europe/Zurich") from error
    return name


#: The name of an IANA time zone.
TimeZone = Annotated[str, AfterValidator(_time_zone)]


class Declared(BaseModel):
    """Something a person wrote in a project folder: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def slug(name: str) -> str:
    """Turn a system's name as people write it into the name used in keys: ``Stripe Billing`` to ``stripe_billing``."""
    text = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    return text if not text[:1].isdigit() else f"s_{text}"
