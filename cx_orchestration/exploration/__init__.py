"""Exploration: where the experience fails, and what is worth fixing (E1 to E4), and when, as statistics.

Belongs here: who is compared with whom (``cohorts``), the five analyses, what may be called a finding
(``significance``), KPIs. Does not belong here: folding events (``journeys``). The methods are in ``docs/findings.md``.
"""
