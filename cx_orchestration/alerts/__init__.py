"""Alerts: people are told once when something fails, and once when it works again.

Belongs here: what is said, to whom, and that it is said once. Does not belong here: when something has failed or works
again (the sensors), and what is remembered of it (``storage/alerts.py``).
"""
