"""A journey map drawn with what customers did on it: lanes of stages, steps, moves, where they give up, how they felt.

Belongs here: figures of a map, where everything stands on the page, the page. Does not belong here: the fold, findings.
"""
