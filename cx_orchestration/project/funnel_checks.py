"""What must agree between ``funnels.yaml`` and the services: event types, and what guards ask of their events.

Belongs here: names that services give. Does not belong here: the shape of a funnel; its model knows that.
"""

from collections.abc import Iterator

from cx_orchestration.journeys.guards import exclude_each_other
from cx_orchestration.model.failures import ProjectError
from cx_orchestration.model.funnel import DeclaredFunnel, EventChoice
from cx_orchestration.project import supplies
from cx_orchestration.project.folder import Parts
from cx_orchestration.project.wording import unknown_name

FILE = "funnels.yaml"


def funnel_errors(parts: Parts) -> Iterator[ProjectError]:
    """What is wrong with each funnel that can be read. A service that cannot be read is not held against it."""
    for name in parts.readable_funnels:
        if name in parts.journeys:
            expected = "expected a name that no journey has: tables and pictures tell funnels by their names"
            yield ProjectError(FILE, f"funnels.{name}", name, expected)
    if not parts.services or not parts.all_services_read:
        return
    metadata = supplies.event_metadata(parts.services.values())
    for name, funnel in parts.readable_funnels.items():
        for path, choice in _choices(f"funnels.{name}", funnel):
            for n, kind in enumerate(choice.on):
                if kind not in metadata:
                    known = sorted(metadata)
                    yield unknown_name(FILE, f"{path}.on[{n}]", kind, "an event type that some service gives", known)
            if choice.when and exclude_each_other(tuple(choice.when), tuple(choice.when)):
                found = ", ".join(map(str, choice.when))
                yield ProjectError(FILE, f"{path}.when", found, "no event can fit all of these: remove one")
            # An event of a type that lacks what a guard asks for would never fit: a silent zero.
            carried = [metadata[kind] for kind in choice.on if kind in metadata]
            for n, guard in enumerate(choice.when):
                if carried and not any(guard.name in names for names in carried):
                    expected = f"metadata that some service gives {' or '.join(choice.on)}"
                    known = sorted(set[str]().union(*carried))
                    yield unknown_name(FILE, f"{path}.when[{n}].name", guard.name, expected, known)


def _choices(path: str, funnel: DeclaredFunnel) -> Iterator[tuple[str, EventChoice]]:
    if funnel.audience is not None:
        yield f"{path}.audience", funnel.audience
    yield from ((f"{path}.steps[{n}]", step) for n, step in enumerate(funnel.steps))
