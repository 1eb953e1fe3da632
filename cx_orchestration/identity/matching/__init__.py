"""The probabilistic part of identity: which records are one person by names, dates, addresses and keys taken together.

Belongs here: fields in one spelling (``fields``), what of them is compared (``comparisons``), which pairs are looked at
(``blocking``), training (``training``, ``estimation``), the frozen model (``model``), weights of pairs (``scoring``)
and how far the data have moved from it (``drift``). Does not belong here: the ledger and clusters of the pairs.
"""
