"""How the rows of a table lead to the persons they are about: what ``cx erase`` removes and ``cx export-person`` gives.

Belongs here: what a table must say about itself. Does not belong here: finding and removing rows (``privacy``).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Persons:
    """A row is about a person when one of these columns says so; it is then removed with the person.

    ``entities`` are pairs of columns, a service and the customer's id in it; ``customers`` are columns with a customer
    id; ``digests`` pairs of columns, a namespace or field and the digest of a value of it as the ledger has it, which
    counts as the person's when nobody else has the value. With ``payload`` the table holds records as received, and
    whose they are is what the mapping of their stream says.

    ``texts`` are columns of JSON or plain text in which a row about somebody else may mention the person: the mention
    is blotted out and the row stays. With ``stays`` a row of the person's stays too and leads to nobody any more: it
    holds customer ids alone, which must not be handed out again.

    With ``once`` nothing makes the rows anew, as they say what happened to a customer id: they go with the whole
    customer only, and stay while a part of the customer does.

    ``dated`` is the column with the time of what the row says, a timestamp or microseconds since 1970: what is said of
    a person who became a customer again after the erasure is no mention of the erased one.
    """

    entities: tuple[tuple[str, str], ...] = ()
    customers: tuple[str, ...] = ()
    digests: tuple[tuple[str, str], ...] = ()
    payload: bool = False
    texts: tuple[str, ...] = ()
    stays: bool = False
    once: bool = False
    dated: str | None = None


#: Said of a table none of whose rows is about a person: erasures leave it alone, with all its versions.
NOBODY = Persons()

#: Rows about one customer of one service.
ENTITIES = Persons(entities=(("service", "entity"),))

#: Rows about one customer across services.
CUSTOMERS = Persons(customers=("customer_id",))
