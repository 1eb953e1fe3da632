"""A journey map as SCXML (W3C, State Chart XML 1.0) and back, so that editors and engines of state charts can take it.

``words`` has what both directions share, ``written`` goes there, ``read`` comes back. Whether a map is sound is for
``journeys.maps`` to say.

Stages are compound states, steps the states in them, a step that completes is final. The state ``journey.not_begun``
waits for the events that begin a journey; a wait that counts as abandoning is a delayed event that leads to the final
state ``journey.abandoned``. Parts are the regions of one ``<parallel>``, each with stages of its own; an event that
leads to a step in one region enters the others where they start, as SCXML has it. Ways back are history states. What
SCXML has no words for lies in attributes of our own namespace, so nothing is lost on the way there and back.
"""
