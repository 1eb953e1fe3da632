"""How customers say they feel, at the steps of their journeys: recommendation, satisfaction and ease.

Belongs here: where an answer belongs, the three measures with their intervals. Does not belong here: the drawing.
"""
