"""``journeys/threads``: what one fold leaves of each thread, and the next one goes on from.

Belongs here: threads and their active instances between rows and the kernel's arrays. Does not belong here: which
customers go on (``refold``), reading and merging the rows' files (``standing``).
"""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cx_orchestration.journeys import kernel
from cx_orchestration.journeys.charts import CompiledMap
from cx_orchestration.journeys.coding import Events, Threads
from cx_orchestration.journeys.kernel import ACTIVE, NOWHERE, Flags, Instances, Ints
from cx_orchestration.journeys.past import is_active
from cx_orchestration.journeys.placed import as_table, repeated
from cx_orchestration.model import tables

#: No due time.
_NEVER = np.iinfo(np.int64).max


def set_out(carried: pa.Table, thread: Ints, threads: kernel.Threads, made: Instances, places: int) -> int:
    """Put threads that go on, and their active instances, where the kernel finds them; returns how many instances.

    ``thread`` is the number of each carried row; the events of ``past_of`` follow ``places`` others.
    """
    if not carried.num_rows:
        return 0
    active = np.flatnonzero(is_active(carried).to_numpy())
    count = len(active)
    threads.instance[thread[active]] = np.arange(count)
    for name, codes in (("status", threads.status), ("seen", threads.seen), ("part", threads.last)):
        codes[thread] = carried[name].to_numpy()
    for name, wide in (("steps", threads.step), ("since", threads.since), ("memory", threads.memory)):
        wide[thread] = carried[name].combine_chunks().flatten().to_numpy().reshape(carried.num_rows, wide.shape[1])
    threads.parts[thread] = (threads.step[thread] >= 0).sum(axis=1)
    made.thread[:count] = thread[active]
    made.first_event[:count] = places + np.arange(count)
    made.last_event[:count] = places + count + np.arange(count)
    made.ended_at[:count] = 0
    made.status[:count] = ACTIVE
    made.state[:count] = threads.step[made.thread[:count], threads.last[made.thread[:count]]]
    made.moved_at[:count] = carried["moved_at"].to_numpy()[active]
    made.amount[:count] = carried["revenue"].to_numpy()[active]
    for name, codes in (("moves", made.moves), ("deviations", made.deviations), ("contacts", made.contacts)):
        codes[:count] = carried[name].to_numpy()[active]
    return count


@dataclass(frozen=True, eq=False)
class SetOut:
    """Threads that go on and their instances, as they were before anything more happened to them."""

    thread: Ints
    threads: kernel.Threads
    made: Instances

    @classmethod
    def of(cls, thread: Ints, threads: kernel.Threads, made: Instances, instances: int) -> "SetOut":
        """A copy, as the kernel writes to them."""
        kept = kernel.Threads._make(array[thread] for array in threads)
        return cls(thread, kept, Instances._make(array[:instances].copy() for array in made))

    def changed(self, threads: kernel.Threads, made: Instances) -> Flags:
        """Which threads do not stand as they did."""
        moved = np.zeros(len(made.thread) + 1, np.bool_)  # the last one stands for no instance
        for name in ("last_event", "moves", "deviations", "contacts", "amount"):
            old: Ints = getattr(self.made, name)
            moved[: len(old)] |= old != getattr(made, name)[: len(old)]
        same = ~moved[self.threads.instance]
        for name in kernel.Threads._fields:
            was, now = getattr(self.threads, name), getattr(threads, name)[self.thread]
            same &= (was == now).all(axis=tuple(range(1, was.ndim)))
        changed: Flags = threads.status != kernel.NEVER
        changed[self.thread] = ~same
        return changed


def thread_rows(
    chart: CompiledMap,
    events: Events,
    on_map: Threads,
    threads: kernel.Threads,
    made: Instances,
    ids: pa.ChunkedArray,
    changed: Flags,
    *,
    bucket: int,
    fold: int,
    on_other_maps: bool,
) -> pa.Table:
    """All threads of the customers who have a changed one, each customer's in the order in which the instances that are
    active began. With ``on_other_maps`` what maps ask of their first events is among it."""
    of_changed = np.zeros(events.customers, np.bool_)
    of_changed[on_map.customer[changed]] = True
    chosen = np.flatnonzero((threads.status != kernel.NEVER) & of_changed[on_map.customer])
    chosen = chosen[np.lexsort((threads.instance[chosen], on_map.customer[chosen]))]
    customer, status = on_map.customer[chosen], threads.status[chosen]
    own = pa.array(threads.instance[chosen], mask=status != ACTIVE)
    in_use = np.arange(threads.step.shape[1]) < threads.parts[chosen][:, None]
    steps, since = np.where(in_use, threads.step[chosen], NOWHERE), np.where(in_use, threads.since[chosen], 0)
    wait = np.where(steps >= 0, chart.table.wait[steps], -1)
    due = np.where(wait >= 0, since + wait, _NEVER).min(axis=1)
    first, last = made.first_event, made.last_event
    return as_table(
        tables.THREADS,
        journey=repeated(chart.journey, len(chosen)),
        customer_id=events.rows.column("customer_id").take(events.who[customer]),
        customer_key=events.key[customer],
        fold=np.full(len(chosen), fold),
        correlation=on_map.keys_of(chosen),
        status=status,
        seen=threads.seen[chosen],
        part=threads.last[chosen],
        steps=_lists(steps),
        since=_lists(since),
        memory=_lists(threads.memory[chosen]),
        due=pa.array(due, mask=(due == _NEVER) | (status != ACTIVE)),
        instance_id=ids.take(own),
        first_event_id=events.ids(first).take(own),
        first_at=pa.array(events.at[first]).take(own),
        first_channel=events.column("channel", first).take(own),
        first_carried=_carried(events, first, own) if on_other_maps else pa.nulls(len(chosen), pa.string()),
        last_event_id=events.ids(last).take(own),
        last_at=pa.array(events.at[last]).take(own),
        moved_at=pa.array(made.moved_at).take(own),
        moves=pa.array(made.moves).take(own),
        deviations=pa.array(made.deviations).take(own),
        contacts=pa.array(made.contacts).take(own),
        revenue=pa.array(made.amount).take(own),
        bucket=np.full(len(chosen), bucket, np.int32),
        is_open=(status == ACTIVE).astype(np.int32),
    )


def gone(keys: Ints, journey: str, *, bucket: int, fold: int) -> pa.Table:
    """Rows that say of customers that they have no thread any more."""
    count = len(keys)
    given = {"journey": repeated(journey, count), "customer_key": pa.array(keys, pa.int64())}
    said = {"bucket": bucket, "fold": fold, "status": kernel.NEVER, "is_open": 0}
    given |= {name: pa.array(np.full(count, value)) for name, value in said.items()}
    return as_table(
        tables.THREADS, **{f.name: given.get(f.name, pa.nulls(count, f.type)) for f in tables.THREADS.schema}
    )


def _carried(events: Events, first: Ints, own: pa.Array) -> pa.Array:
    """What is asked of the first events of some instances, as JSON."""
    names = [name for name in events.rows.column_names if name.startswith("asked_")]
    columns = [events.column(name, first).take(own).to_pylist() for name in names]
    return pa.array(
        [
            json.dumps({name: column[place] for name, column in zip(names, columns, strict=True)}) if active else None
            for place, active in enumerate(own.is_valid().to_pylist())
        ],
        pa.string(),
    )


def _lists(values: np.ndarray) -> pa.Array:
    """One list a row."""
    ends = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values.reshape(-1)))
