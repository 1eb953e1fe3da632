"""Dagster resources: the federated services, and the stores that results are kept in.

Belongs here: how a run gets hold of something outside itself. Does not belong here: what is done with it.
"""
