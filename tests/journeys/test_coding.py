"""A bucket's events in order: what maps ask of an event stays with it."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cx_orchestration.journeys.charts import compile_map
from cx_orchestration.journeys.coding import code_events, sequence_columns
from cx_orchestration.model import tables
from cx_orchestration.model.journey import JourneyMap

KINDS = [f"k{number}" for number in range(12)]
EVENTS = 400_000


def test_what_is_asked_of_many_events_of_many_types_stays_with_its_event():
    """More than one thread works on so many rows, and all types but two carry a plan that is asked."""
    moves = [
        {"from": ["open"], "on": kind, "to": "open", "when": [{"name": "plan", "equals": "p3"}]} for kind in KINDS[2:]
    ]
    chart = compile_map(
        JourneyMap.model_validate(
            {
                "journey": "j",
                "stages": ["one"],
                "steps": {"open": {"stage": "one", "abandoned_after_days": 1}},
                "begins_with": {KINDS[0]: "open"},
                "transitions": moves,
            }
        )
    )
    number = np.arange(EVENTS)
    plan = pc.binary_join_element_wise("p", pa.array(number % 7).cast(pa.string()), "")
    given = {
        "customer_key": number,
        "occurred_us": number,
        "type_code": (number % 12).astype(np.int32),
        "event_id": pa.array(number).cast(pa.string()),
        "attributes": pc.binary_join_element_wise('{"plan":"', plan, '"}', ""),
    }
    whole = pa.table(
        {
            name: given.get(name, pa.nulls(EVENTS, tables.SEQUENCES.schema.field(name).type))
            for name in sequence_columns([chart])
        }
    )
    # In pieces, as a bucket's files give them.
    rows = pa.concat_tables([whole.slice(place, 20_000) for place in range(0, EVENTS, 20_000)])
    events = code_events(rows, [chart], types=KINDS, as_of=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), currency="EUR")
    expected = pc.if_else(pa.array(number % 12 >= 2), plan, None)
    assert events.column("asked_plan", number).combine_chunks().equals(expected)
