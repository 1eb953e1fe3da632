"""A canary: does a service answer as its declaration says? Asks little, lands nothing, and says what to do.

Belongs here: what is tried, and what an answer means for the data. Does not belong here: printing
(``commands/probe.py``), and how a service is asked in earnest.
"""
