"""The demo company's services over HTTP, each in the shape of a well-known vendor's API.

Belongs here: one module a vendor (paths, paging, credentials, errors), and what they have in common (``vendor``).
Does not belong here: what is on file (``services``).
"""
