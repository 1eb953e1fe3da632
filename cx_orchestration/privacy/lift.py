"""Lifting an erasure: a customer of a service who was erased may be a customer again, from now on.

Belongs here: who is meant, and what must not be said in the audit. Does not belong here: keeping it
(``storage/erasures.py``), what of them lands then (``integration/erased.py``).
"""

import datetime as dt

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.privacy.erase import Order
from cx_orchestration.privacy.judging import names_somebody
from cx_orchestration.project import CXProject
from cx_orchestration.storage.erasures import Erasures


def lift_erasure(erasures: Erasures, project: CXProject, named: str, order: Order, *, now: dt.datetime) -> None:
    """Let ``SERVICE/ENTITY`` be a customer again: what is newer than ``now`` lands, nothing older does.

    Raises ``PermanentFailure`` for who was not erased, was lifted before, or is named by the order, and while an
    erasure is not finished: what it still has to remove would be taken for what came since.
    """
    service, _, entity = named.partition("/")
    if not entity:
        raise PermanentFailure("--lift takes SERVICE/ENTITY: the service, and the customer's id in it")
    if erasures.unfinished():
        raise PermanentFailure("an erasure is not finished; run 'cx erase --again', then lift")
    said = f"{order.role} {order.reason}"
    words = {word.strip(".,;:()").casefold() for word in said.split()}
    if {named.casefold(), entity.casefold()} & words or names_somebody(erasures.tombstones(project.environ), said):
        raise PermanentFailure(
            "--by or --why names the person, and both are kept for ever; name the role and the request instead, such "
            "as the number of a ticket"
        )
    erasures.lift(service, entity, role=order.role, reason=order.reason, environ=project.environ, now=now)
