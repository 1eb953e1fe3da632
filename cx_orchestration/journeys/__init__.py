"""Journeys: events in the order of each customer, and what a journey map makes of them.

Belongs here: whose event is it and in which order (``sequences``), is a map sound and what is its table (``maps``),
steps and instances (``fold``, ``kernel``), maps as pictures. Does not belong here: comparing groups of customers.
"""
