"""The community: its members and their posts."""

import numpy as np

from cx_orchestration.demo.names import POSTS, TOPICS
from cx_orchestration.demo.services.writing import Account, Sources, email_used, in_order, iso

_FIRST_USER_ID = 1_001
_FIRST_POST_ID = 5_001


def discourse_account(sources: Sources, rng: np.random.Generator) -> Account:
    """Streams ``users`` and ``posts``."""
    joined = sources.happenings.members
    person = joined["person"].to_numpy()
    ids = _FIRST_USER_ID + np.arange(len(person))
    number = rng.integers(10, 99, len(person)).tolist()
    usernames = [
        f"{given.lower()}_{key}{n}"
        for given, key, n in zip(sources.people.given[person], ids.tolist(), number, strict=True)
    ]
    users = [
        {
            "id": key,
            "username": username,
            "name": given if shows_name else None,
            "email": email,
            "active": True,
            "trust_level": 1,
            "created_at": at,
        }
        for key, username, given, shows_name, email, at in zip(
            ids.tolist(),
            usernames,
            sources.people.given[person],
            (rng.random(len(person)) < 0.5).tolist(),
            email_used(sources, person, rng, second=0.25, typos=0.01, capitals=0.0),
            iso(joined["at"].to_numpy(), "ms", "Z"),
            strict=True,
        )
    ]
    by_person = dict(zip(person.tolist(), zip(ids.tolist(), usernames, strict=True), strict=True))
    posts = sources.happenings.posts
    topic = rng.integers(0, len(TOPICS), len(posts)).tolist()
    raw = rng.integers(0, len(POSTS), len(posts)).tolist()
    written = [
        {
            "id": _FIRST_POST_ID + position,
            "user_id": by_person[author][0],
            "username": by_person[author][1],
            "topic_id": t + 1,
            "topic_title": TOPICS[t],
            "raw": POSTS[r],
            "created_at": at,
            "updated_at": at,
        }
        for position, (author, t, r, at) in enumerate(
            zip(posts["person"].tolist(), topic, raw, iso(posts["at"].to_numpy(), "ms", "Z"), strict=True)
        )
    ]
    return Account(
        {
            "users": in_order(joined["at"].to_numpy(), users, "ms"),
            "posts": in_order(posts["at"].to_numpy(), written, "ms"),
        },
        [(str(key), author) for author, (key, _) in by_person.items()],
    )
