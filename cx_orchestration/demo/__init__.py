"""Morrow Coffee, a made-up company to run against: its people, its seven services over HTTP, its project folder.

Belongs here: everything about the demo company, from who its people are (``people``) over what they do (``lives``,
``happenings``) and what its systems have on file (``services``) to HTTP (``servers``), the truth, and comparing results
with it. Does not belong here: anything that a real company's project needs.
"""
