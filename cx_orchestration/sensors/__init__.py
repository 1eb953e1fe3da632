"""Sensors and schedules: what makes runs happen without anybody at the screen.

Belongs here: when to run, in which order, under which run key. Does not belong here: what a run does.
"""
