"""Do the pages of a listing hold: the same twice, nothing on two pages, in the declared order, to the declared end?

Belongs here: what is seen from page to page. Does not belong here: windows (``filters.py``), and what a record holds
(``contract.py``).
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from cx_orchestration.integration.order import OrderCheck
from cx_orchestration.integration.probe.asking import Question, Seen
from cx_orchestration.integration.probe.findings import Finding, failed, not_applicable, ok, warning
from cx_orchestration.integration.probe.search import Known
from cx_orchestration.model.endpoint import OffsetPaginator, PageNumberPaginator, SinglePage
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.words import counted

#: How many pages are read to see the sign of the last one.
_TO_THE_END = 10
#: Numbers of records at which services cut a page off.
_ROUND = frozenset(
    {10, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 1_000, 2_000, 5_000, 10_000}
)


def page_findings(question: Question, known: Known) -> Iterator[Finding]:
    """Stability, overlap and order of the pages that were read. Raises as reading a page does."""
    seen = known.seen
    first, second = _ids(seen), _ids(question.seen(known.start, known.end, len(seen.pages)))
    size = max(len(page.listed) for page in seen.pages)
    read = f"{counted(len(seen.pages), 'page')} of at most {counted(size, 'record')}"
    if first == second:
        yield ok("pages", f"{read}: read twice, the same records in the same order")
    elif _only_grew(first, second) or second == _ids(question.seen(known.start, known.end, len(seen.pages))):
        yield warning(
            "pages",
            f"{read}: not the same when read again, as records came, changed or went meanwhile",
            "probe a window that is over, with --until",
        )
    else:
        yield failed(
            "pages",
            f"{read}: read again, the same records in another order, or others each time",
            "ask for an order that does not change (a parameter such as sort, by a time and the id): records that move "
            "between pages are missed",
        )
    if len(seen.pages) > 1:
        yield _overlap(question, seen)
    yield _order(question, seen)


def end_findings(question: Question, known: Known) -> Iterator[Finding]:
    """Whether the sign of the end is seen where it is declared. Reads on, up to ``_TO_THE_END`` pages in all."""
    seen = Seen(list(known.seen.pages), list(known.seen.by_page))
    seen.add(islice(known.rest, _TO_THE_END - len(seen.pages)))
    if isinstance(question.reader.endpoint.paginator, SinglePage):
        number, cap = len(seen.pages[0].listed), question.reader.endpoint.max_results_per_query
        if cap is not None:
            yield not_applicable("end", f"single pages of at most {cap} records are declared; this one has {number}")
        elif number in _ROUND:
            yield warning(
                "end",
                f"a single page is declared, and it has exactly {number} records: it may be cut off",
                "look for the service's paging and declare its paginator, or ask for a larger page",
            )
        else:
            yield not_applicable("end", f"a single page is declared; it has {counted(number, 'record')}")
    elif seen.whole:
        yield ok("end", f"the declared sign of the last page stands on page {len(seen.pages)}")
    else:
        yield not_applicable("end", f"not reached on {len(seen.pages)} pages, each of which names the next one")


def _only_grew(first: list[list[str]], second: list[list[str]]) -> bool:
    """Whether most records were read both times, and these in the same order."""
    before, after = (dict.fromkeys(record_id for ids in pages for record_id in ids) for pages in (first, second))
    both = [record_id for record_id in before if record_id in after]
    return 2 * len(both) >= len(before) and both == [record_id for record_id in after if record_id in before]


def _ids(seen: Seen) -> list[list[str]]:
    return [[record.record_id for record in records] for records in seen.by_page]


def _overlap(question: Question, seen: Seen) -> Finding:
    on_pages = Counter(record_id for ids in _ids(seen) for record_id in set(ids))
    repeated = sum(1 for number in on_pages.values() if number > 1)
    pages = counted(len(seen.pages), "page")
    if not repeated:
        return ok("overlap", f"no record stands on two of {pages}")
    told = f"{counted(repeated, 'record')} of {len(on_pages)} on two of {pages}"
    if isinstance(question.reader.endpoint.paginator, OffsetPaginator | PageNumberPaginator):
        return failed(
            "overlap",
            f"{told}: pages are counted by position, so where one comes twice another is missed",
            "ask for an order that does not change, by a time and the id, and check page_param and the size of pages",
        )
    return warning(
        "overlap",
        f"{told}; a record that comes twice lands once",
        "check the paginator: with cursors pages should not overlap, and where they do there may be gaps too",
    )


def _order(question: Question, seen: Seen) -> Finding:
    reader = question.reader
    if reader.endpoint.order is None:
        return not_applicable("order", "none is declared")
    check = OrderCheck(reader.endpoint.order, reader.updated_at, PermanentFailure)
    try:
        for page, records in zip(seen.pages, seen.by_page, strict=True):
            check.check(page.records, records)
    except PermanentFailure as out_of_order:
        return failed("order", str(out_of_order), "correct 'order', or the parameter that asks for it")
    return ok("order", f"by '{reader.endpoint.order.by}', {reader.endpoint.order.direction}, as declared")
