"""Persons as such: what is known of one, given out (``cx export-person``) or removed for good (``cx erase``).

It spans all domain packages, so it stands above them. Nothing of a person is told to Dagster, printed or logged here.
"""
