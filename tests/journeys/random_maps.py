"""Random maps that are sound, and random logs. Every word of the map language occurs in them often.

All follow from a ``random.Random``: hypothesis chooses its seed, since what it would draw by itself hardly ever gets as
far as a migration or a way back.
"""

from random import Random

from interpreter import Happening

from cx_orchestration.journeys.maps import check_map, check_versions
from cx_orchestration.model.journey import JourneyMap

STEPS = ["s0", "s1", "s2", "s3", "s4"]
KINDS = ["a", "b", "c", "d", "e"]
STAGES = ["early", "late"]

#: Ways to tell events of one type apart: guards that exclude each other, the last one perhaps for all the rest.
SPLITS = [
    [[{"name": "plan", "equals": "pro"}], [{"name": "plan", "equals": "free"}]],
    [[{"name": "plan", "any_of": ["pro", "free"]}], []],
    [[{"name": "plan", "exists": False}], [{"name": "plan", "exists": True}]],
    [[{"name": "amount", "at_least": 3}], [{"name": "amount", "below": 3}]],
    [[{"name": "amount", "above": 0}, {"name": "plan", "none_of": ["pro"]}], []],
    [[{"name": "channel", "equals": "web"}], [{"name": "channel", "equals": "phone"}], []],
]


def random_map(
    rng: Random,
    *,
    version: int = 1,
    plain: bool = False,
    correlated: bool = False,
    with_parts: bool = False,
    journey: str = "random",
    kinds: list[str] = KINDS[:4],
) -> JourneyMap:
    """A sound map; ``plain``: without guards and ways back."""
    steps = STEPS if with_parts else STEPS[: rng.randint(2, 5)]
    part = {name: ("left", "right")[place % 2] if with_parts else None for place, name in enumerate(steps)}
    ends = {name: rng.choice(["completes", "waits", "open", "open"]) for name in steps}
    stage = {name: rng.choice(STAGES) for name in steps}
    starts = {"left": "s0", "right": "s1"} if with_parts else {}
    ends |= {name: "waits" for name in starts.values() if ends[name] == "completes"}

    def choices(targets: list[str]) -> list[dict]:
        """Targets with the guards under which they are reached."""
        split = [[]] if plain else rng.choice([[[]], *SPLITS])
        return [{"to": rng.choice(targets)} | ({"when": when} if when else {}) for when in split]

    sources = [name for name in steps if ends[name] != "completes"]
    moves = []
    for source in sources:
        same_part = [name for name in steps if part[name] == part[source]]
        for kind in rng.sample(kinds, rng.randint(0, 3)):
            for choice in choices(same_part):
                # Back to a stage is a way for those who have left it.
                can_be_back = not plain and stage[choice["to"]] != stage[source]
                moves.append({"from": [source], "on": kind, "back": can_be_back and rng.random() < 0.6} | choice)
    begins = {kind: choices(sources or steps) for kind in rng.sample(kinds, rng.randint(1, 2))}

    reachable = {choice["to"] for found in begins.values() for choice in found} | set(starts.values())
    for _ in steps:
        reachable |= {move["to"] for move in moves if move["from"][0] in reachable}
    kept = [name for name in steps if name in reachable]

    moves = [move for move in moves if move["from"][0] in kept]
    declared: dict = {
        "journey": journey,
        "version": version,
        "stages": STAGES,
        "parts": {name: {"starts_at": first} for name, first in starts.items()},
        "begins_with": {
            kind: found[0]["to"] if len(found) == 1 and "when" not in found[0] else found
            for kind, found in begins.items()
        },
        "transitions": moves,
        "support_events": ["e", "b"],
        "re_entry": rng.random() < 0.7,
        "correlation": "order_id" if correlated else None,
        "steps": {},
    }
    ending = {name for name in kept if ends[name] != "open"}
    for name in kept:
        if ending.isdisjoint(_reached_from(name, moves)):
            ending.add(name)
        declared["steps"][name] = {"stage": stage[name], "part": part[name]} | (
            {"completes": True}
            if ends[name] == "completes"
            else {"abandoned_after_days": rng.randint(1, 4)}
            if name in ending
            else {}
        )
    journey_map = JourneyMap.model_validate(declared)
    assert check_map(journey_map) == []
    return journey_map


def _reached_from(name: str, moves: list[dict]) -> set[str]:
    reached = {name}
    while more := {move["to"] for move in moves if move["from"][0] in reached} - reached:
        reached |= more
    return reached


def random_versions(rng: Random) -> list[tuple[int, JourneyMap]]:
    """Versions of one map, each with the day from which it is in force, oldest first."""
    correlated, with_parts = rng.random() < 0.5, rng.random() < 0.4
    days = sorted(rng.sample(range(1, 12), rng.choice([0, 0, 1, 2])))
    found: list[tuple[int, JourneyMap]] = []
    for number, day in enumerate([0, *days], start=1):
        of_parts = with_parts and rng.random() < 0.9
        one = random_map(rng, version=number, correlated=correlated, with_parts=of_parts)
        migrations: dict[int, dict[str, str]] = {}
        for _, older in found:
            if list(older.parts) != list(one.parts):
                continue
            for name, step in older.steps.items():
                into = [new for new, s in one.steps.items() if s.part == step.part and not s.completes]
                if into and rng.random() < 0.8:
                    migrations.setdefault(older.version, {})[name] = rng.choice(into)
        one = one.model_copy(update={"migrations": migrations})
        assert check_versions([*(older for _, older in found), one]) == []
        found.append((day, one))
    return found


def random_log(rng: Random, days: int = 12, most: int = 40) -> list[tuple[str, Happening]]:
    """Customer and what happened to them; events of the same day keep the order of the log."""
    return [(rng.choice(["c1", "c2", "c3"]), random_happening(rng, days)) for _ in range(rng.randint(0, most))]


def random_happening(rng: Random, days: int = 12) -> Happening:
    amount = rng.randint(-3, 9)
    carried = {
        "plan": rng.choice([None, "pro", "pro", "free", "free", "other", ""]),
        "order_id": rng.choice([None, "o1", "o1", "o2", " "]),
        "channel": rng.choice(["web", "phone", "store"]),
        "amount": str(amount),
    }
    carries = tuple((name, value) for name, value in carried.items() if value is not None)
    return Happening(rng.choice(KINDS), rng.randint(0, days), amount, carries)
