"""Dagster assets, one module a phase, in the order of the data: catalog, scoring, landing, integration, identity,
journeys, exploration.

Belongs here: inputs, one call of the domain, metadata and checks. Does not belong here: any decision; an ``if`` about
customers, services or scores is the domain's.
"""
