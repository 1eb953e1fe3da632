"""A first journey map from what the inventory says and the data shows, as YAML for people to edit (R1).

Belongs here: which types become steps, their stages, and the moves between them, each with how sure that is. Does not
belong here: a map's meaning (``model.journey``), whether it is sound (``maps``).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cx_orchestration.model import tables
from cx_orchestration.model.days import MICROSECONDS_A_DAY
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.journey import DEFAULT_STAGES
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

#: Words of event types that are no steps of the way, but what happens on it.
SUPPORT_WORDS = ("support", "ticket", "help", "complaint", "chat", "call")
SUPPORT_ENDS = ("resolved", "solved", "closed", "ended", "rated")

#: Who of the company answers in a type with one of the words of an answer; in words of support, somebody does as well.
PEOPLE_WORDS = ("agent", "advisor", "adviser", "operator", "representative", "specialist", "staff")
ANSWER_WORDS = ("replied", "reply", "answered", "responded", "response")
FRICTION_WORDS = ("failed", "error", "delayed", "declined", "refunded", "cancelled", "canceled", "bounced", "returned")

#: Words of business functions by the stage that they serve.
STAGE_WORDS = {
    "educate": ("market", "advert", "campaign", "newsletter", "content", "brand", "aware"),
    "pre_sales": ("lead", "crm", "catalog", "trial", "evaluat", "registration", "presales", "pre-sales"),
    "sales": ("sales", "checkout", "billing", "payment", "order", "commerce", "subscription"),
    "post_sales": ("support", "care", "delivery", "fulfil", "onboarding", "usage", "product analytics", "service desk"),
    "advocacy": ("community", "referral", "loyalty", "review", "advoca"),
}

#: Words of event types by the stage in which such things happen, for where business functions do not tell.
TYPE_WORDS = {
    "educate": ("page", "ad.", "advert", "newsletter", "campaign", "content", "home.", "visit"),
    "pre_sales": ("product", "catalog", "search", "signup", "registered", "lead", "trial", "compare", "wishlist"),
    "sales": ("cart", "checkout", "order", "payment", "paid", "purchase", "subscri", "basket", "invoice"),
    "post_sales": ("deliver", "setup", "onboard", "activated", "installed", "login", "used", "renew", "received"),
    "advocacy": ("referral", "review", "invited", "recommend", "shared"),
}

_WAIT_FACTOR = 2


@dataclass(frozen=True)
class DraftStep:
    """A type that became a step. ``stage_from`` says what its stage was taken from; ``sure`` is from 0 to 1: the share
    of the customers who have the type and came by one of the drafted ways."""

    name: str
    type: str
    stage: str
    stage_from: str
    customers: int
    begins: int
    sure: float
    wait_days: float | None


@dataclass(frozen=True)
class DraftMove:
    """``share`` of those who went on from ``source`` went to ``target``."""

    source: str
    target: str
    customers: int
    share: float


@dataclass(frozen=True)
class Draft:
    journey: str
    customers: int
    steps: tuple[DraftStep, ...]
    moves: tuple[DraftMove, ...]
    support_events: tuple[str, ...]
    human_events: tuple[str, ...]
    ends_of_support: tuple[str, ...]
    friction_events: tuple[str, ...]
    left_out: tuple[str, ...]


def draft_map(
    lake: Lake,
    engine: Engine,
    *,
    journey: str,
    functions: Mapping[str, Sequence[str]],
    min_share: float = 0.05,
) -> Draft:
    """A map of the types that at least one customer in a hundred has; where all are of support or friction, of these.

    ``functions`` are the business functions of the services that report a type, by type; when they put every step into
    one stage, as those of a single service do, types and their order tell stages apart. Ways that fewer than
    ``min_share`` of those take who go on from a step are noise and left out. Raises ``PermanentFailure`` when there are
    no events.
    """
    sequences = lake.scan(tables.SEQUENCES)
    counted = engine.query("SELECT count(DISTINCT customer_id) AS n FROM sequences", {"sequences": sequences})
    customers: int = counted["n"][0].as_py()
    if customers == 0:
        raise PermanentFailure("journeys/sequences is empty: there is nothing to draft from; integrate a service first")
    least = max(1, math.ceil(customers / 100))
    types = engine.query(
        sql_text(__package__, "draft_types.sql"), {"sequences": sequences}, {"least": least}
    ).to_pylist()
    human = [row["type"] for row in types if _is_an_answer(row["type"])]
    of_support = [row["type"] for row in types if _has(row["type"], SUPPORT_WORDS) and row["type"] not in human]
    ends = [kind for kind in of_support if _has(kind, SUPPORT_ENDS)]
    friction = [row["type"] for row in types if _has(row["type"], FRICTION_WORDS) and row["type"] not in of_support]
    steps = [row for row in types if row["type"] not in {*human, *of_support, *friction}] or types
    follows = engine.query(
        sql_text(__package__, "draft_follows.sql"),
        {"sequences": sequences, "steps": pa.table({"type": pa.array([row["type"] for row in steps], pa.string())})},
    ).to_pylist()
    moves = _moves(follows, min_share)
    by_function = {row["type"]: _only_stage(" ".join(functions.get(row["type"], ())), STAGE_WORDS) for row in steps}
    if len(steps) > 1 and len(set(by_function.values())) == 1:
        by_function = {}
    return Draft(
        journey=journey,
        customers=customers,
        steps=tuple(_step(row, moves, follows, by_function.get(row["type"])) for row in steps),
        moves=tuple(moves),
        support_events=tuple(kind for kind in of_support if kind not in ends),
        human_events=tuple(human),
        ends_of_support=tuple(ends),
        friction_events=tuple(friction),
        left_out=tuple(_seldom(engine, lake, {row["type"] for row in types})),
    )


def to_yaml(draft: Draft) -> str:
    """``journeys/<journey>.yaml`` with, beside every guess, what it rests on."""
    stages = [stage for stage in DEFAULT_STAGES if any(step.stage == stage for step in draft.steps)]
    ordered = sorted(draft.steps, key=lambda step: stages.index(step.stage))
    lines = [
        f"# Drafted from the events of {draft.customers:,} customers and the inventory's business functions: a guess",
        "# to start from. Rename steps, move them to the stage where they belong, say what completes the journey, then",
        "# delete these comments. 'sure' is the share of the step's customers who came there by one of the ways below.",
        "",
        f"journey: {draft.journey}",
        "version: 1",
        f"stages: [{', '.join(stages)}]",
        "",
        "steps:",
    ]
    for step in ordered:
        wait = "" if step.wait_days is None else f", abandoned_after_days: {step.wait_days:g}"
        lines += [
            f"  # {step.customers:,} customers, sure {step.sure:.2f}; stage by {step.stage_from}",
            f"  {step.name}: {{stage: {step.stage}{wait}}}",
        ]
    lines += ["", "begins_with:"]
    lines += [f"  {step.type}: {step.name}  # {step.begins:,} customers" for step in _beginnings(draft)]
    lines += ["", "transitions:" if draft.moves else "transitions: []"]
    for move in draft.moves:
        target = next(step for step in draft.steps if step.name == move.target)
        lines.append(
            f"  - {{from: [{move.source}], on: {target.type}, to: {move.target}}}"
            f"  # {move.customers:,} customers, {move.share:.0%} of those who went on"
        )
    lines += ["", f"support_events: [{', '.join(draft.support_events)}]"]
    lines += [f"human_events: [{', '.join(draft.human_events)}]"]
    lines += [f"friction_events: [{', '.join(draft.friction_events)}]"]
    if draft.ends_of_support:
        lines += ["", f"# These end a contact that has been counted: {', '.join(draft.ends_of_support)}"]
    if draft.left_out:
        lines += ["", f"# Fewer than one customer in a hundred has these: {', '.join(draft.left_out)}"]
    return "\n".join(lines) + "\n"


def _step_name(event_type: str) -> str:
    return event_type.replace(".", "_")


def _beginnings(draft: Draft) -> list[DraftStep]:
    """The steps with which many begin, and those to which no drafted way leads."""
    reached = {move.target for move in draft.moves if move.source != move.target}
    total = sum(step.begins for step in draft.steps)
    first = [step for step in draft.steps if step.begins >= 0.05 * total or step.name not in reached]
    known = {step.name for step in first}
    while more := {m.target for m in draft.moves if m.source in known} - known:
        known |= more
    return [*first, *(step for step in draft.steps if step.name not in known)]


def _moves(follows: Sequence[Mapping[str, Any]], min_share: float) -> list[DraftMove]:
    went_on: dict[str, int] = {}
    for row in follows:
        went_on[row["source"]] = went_on.get(row["source"], 0) + row["customers"]
    return [
        DraftMove(_step_name(row["source"]), _step_name(row["target"]), row["customers"], share)
        for row in follows
        if (share := row["customers"] / went_on[row["source"]]) >= min_share
    ]


def _step(
    row: Mapping[str, Any],
    moves: Sequence[DraftMove],
    follows: Sequence[Mapping[str, Any]],
    by_function: str | None,
) -> DraftStep:
    name = _step_name(row["type"])
    came = sum(follow["customers"] for follow in follows if follow["target"] == row["type"]) + row["begins"]
    kept = sum(move.customers for move in moves if move.target == name) + row["begins"]
    by_type = _only_stage(row["type"], TYPE_WORDS)
    by_place = DEFAULT_STAGES[min(len(DEFAULT_STAGES) - 1, int(row["place"] * len(DEFAULT_STAGES)))]
    if by_function is not None:
        stage_from = "the business function of its service"
    else:
        stage_from = "its type" if by_type is not None else f"its place in the order ({row['place']:.2f})"
    leaves = [move for move in moves if move.source == name and move.target != name]
    waits = [
        follow["slow_us"]
        for follow in follows
        if follow["source"] == row["type"] and _step_name(follow["target"]) in {move.target for move in leaves}
    ]
    longest = max(waits, default=MICROSECONDS_A_DAY)
    return DraftStep(
        name=name,
        type=row["type"],
        stage=by_function or by_type or by_place,
        stage_from=stage_from,
        customers=row["customers"],
        begins=row["begins"],
        sure=kept / came if came else 0.0,
        wait_days=max(1, math.ceil(_WAIT_FACTOR * longest / MICROSECONDS_A_DAY)),
    )


def _only_stage(text: str, words_of: Mapping[str, Sequence[str]]) -> str | None:
    """The stage whose words a text has, if it has those of one alone."""
    found = [stage for stage, words in words_of.items() if _has(text.lower(), words)]
    return found[0] if len(found) == 1 else None


def _seldom(engine: Engine, lake: Lake, kept: set[str]) -> list[str]:
    rows = engine.query("SELECT DISTINCT type FROM sequences ORDER BY type", {"sequences": lake.scan(tables.SEQUENCES)})
    return [name for name in rows["type"].to_pylist() if name not in kept]


def _is_an_answer(kind: str) -> bool:
    return _has(kind, ANSWER_WORDS) and _has(kind, (*PEOPLE_WORDS, *SUPPORT_WORDS))


def _has(text: str, words: Sequence[str]) -> bool:
    return any(word in text for word in words)
