"""Asks many services at once, so that one that hangs delays no other, nor the tick that asks.

Belongs here: threads, and answers that come too late. Does not belong here: what is asked, and what follows from it.

A tick runs in a code server that lives on, and a thread that waits for a dead service outlives its tick: it ends with
the deadline of its own request. Until then the service is not asked again, so there is never more than one thread a
service; the answer it comes back with is looked at in the next tick.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from cx_orchestration.model.bugs import bugs_as_failures
from cx_orchestration.model.failures import Failure

T = TypeVar("T")

#: How long a tick waits for answers: in all, and after the last answer that came, once there was one. Who takes longer
#: is heard in the next tick, so that those who answered get their runs now.
PATIENCE_SECONDS, QUIET_SECONDS = 10.0, 3.0

#: So many services are asked at once in a tick; the others follow as these answer.
AT_ONCE = 16

_POLL_SECONDS = 0.05


#: Whether to wait on, given who is awaited, the seconds spent, and those since the last answer.
Patience: TypeAlias = Callable[[Set[str], float, float | None], bool]


def patience(_: Set[str], spent: float, quiet: float | None) -> bool:
    """Until the time is over, or the others have been waiting for the last ones long enough."""
    return spent < PATIENCE_SECONDS and (quiet is None or quiet < QUIET_SECONDS)


@dataclass(frozen=True)
class Answers(Generic[T]):
    """What came back, by service: an answer, a failure, nothing yet, or not asked because the time was over."""

    given: dict[str, T] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)


class Asking(Generic[T]):
    """Asks services and remembers those that have not answered yet; an answer is never ``None``.

    ``patient`` says, given the services that are still awaited, the seconds spent, and those since the last answer
    (``None`` before the first), whether to wait on.
    """

    def __init__(self, clock: Callable[[], float], patient: Patience | None = None) -> None:
        self._clock = clock
        self._patient = patient or patience
        self._changed = threading.Condition()
        self._awaited: set[str] = set()
        self._late: dict[str, T | Failure] = {}

    def ask(self, questions: Mapping[str, Callable[[], T]]) -> Answers[T]:
        """Ask in this order and return when all have answered or the patience is at its end.

        A question raises ``Failure`` when the service cannot answer; any other error is told as a ``Bug`` and stops no
        other question.
        """
        with self._changed:
            awaited = [service for service in questions if service in self._awaited]
            late = {service: self._late.pop(service) for service in questions if service in self._late}
        fresh = {name: ask for name, ask in questions.items() if name not in awaited and name not in late}
        came, unasked = self._collect(fresh)
        answers = Answers[T]()
        for service in questions:
            answer = late.get(service, came.get(service))
            if isinstance(answer, Failure):
                answers.failed[service] = answer
            elif answer is not None:
                answers.given[service] = answer
            else:
                (answers.unasked if service in unasked else answers.silent).append(service)
        return answers

    def _collect(self, questions: Mapping[str, Callable[[], T]]) -> tuple[dict[str, T | Failure], set[str]]:
        """What came in time, and what was not even asked."""
        tick = _Tick(deque(questions.items()))
        started = self._clock()
        for _ in range(min(AT_ONCE, len(questions))):
            threading.Thread(target=self._work, args=(tick,), name="cx-asking", daemon=True).start()
        with self._changed:
            while open_ones := questions.keys() - tick.came.keys():
                now = self._clock()
                if not self._patient(open_ones, now - started, None if tick.last is None else now - tick.last):
                    break
                self._changed.wait(_POLL_SECONDS)
            tick.over = True
            return tick.came, {service for service, _ in tick.waiting}

    def _work(self, tick: "_Tick[T]") -> None:
        while (question := self._next(tick)) is not None:
            service, ask = question
            answer: T | Failure
            try:
                with bugs_as_failures():
                    answer = ask()
            except Failure as failure:
                answer = failure
            self._arrived(tick, service, answer)

    def _next(self, tick: "_Tick[T]") -> tuple[str, Callable[[], T]] | None:
        with self._changed:
            if tick.over or not tick.waiting:
                return None
            question = tick.waiting.popleft()
            self._awaited.add(question[0])
            return question

    def _arrived(self, tick: "_Tick[T]", service: str, answer: T | Failure) -> None:
        with self._changed:
            self._awaited.discard(service)
            (self._late if tick.over else tick.came)[service] = answer
            tick.last = self._clock()
            self._changed.notify_all()


@dataclass
class _Tick(Generic[T]):
    """What one call of ``ask`` still has to ask, and what came back before it was over."""

    waiting: deque[tuple[str, Callable[[], T]]]
    came: dict[str, T | Failure] = field(default_factory=dict)
    last: float | None = None
    over: bool = False
