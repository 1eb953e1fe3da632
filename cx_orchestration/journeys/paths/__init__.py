"""Paths: what customers do after what, without any map: follows, variants, funnels, sessions, retention; and how they
come to the milestones of maps.

Belongs here: compiled passes over the events of one bucket, the exact sum of several buckets' results, and the tables
made of them. Does not belong here: making steps and instances (``journeys.fold``), findings about groups of customers.

Every pass takes the arrays of one bucket in total order: ``customer`` numbers customers from 0, ``kind`` is a code from
0, ``at`` microseconds. Passes are pure and never split a customer, so any engine can run them bucket by bucket.
"""
