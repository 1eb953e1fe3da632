"""The survey tool: answers to short questions sent by e-mail, which is all it knows of a person."""

import numpy as np

from cx_orchestration.demo.people import random_uuids
from cx_orchestration.demo.services.writing import Account, Sources, email_used, in_order, iso


def survey_account(sources: Sources, rng: np.random.Generator) -> Account:
    """Stream ``responses``: recommendation (0 to 10), satisfaction (1 to 5) and effort (1 to 7)."""
    given = sources.happenings.responses
    person = given["person"].to_numpy()
    emails = email_used(sources, person, rng, second=0.12, typos=0.0, capitals=0.0)
    answered = iso(given["at"].to_numpy(), "s", "+00:00")
    responses = [
        {
            "id": key,
            "survey": {"kind": kind},
            "respondent": {"email": email},
            "score": score,
            "submitted_at": at,
        }
        for key, kind, email, score, at in zip(
            random_uuids(rng, len(given)),
            given["kind"].tolist(),
            emails,
            given["score"].tolist(),
            answered,
            strict=True,
        )
    ]
    who = dict(zip(emails, person.tolist(), strict=True))
    return Account({"responses": in_order(given["at"].to_numpy(), responses, "s")}, list(who.items()))
