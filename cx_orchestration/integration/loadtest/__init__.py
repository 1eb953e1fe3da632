"""The busy season, rehearsed: a service's own records replayed through extraction, landing and mapping (I2).

Reading order: ``busy_hour`` (how many records an hour), ``templates`` (which records), ``schedule`` (when each
arrives), ``shelf`` (what the service shows by then), ``local_service`` and ``drops`` (how it shows them), ``play`` (the
pipeline at work), ``compare`` (lost and doubled), ``verdict`` (figures, passed or not), ``rehearsal`` (all of it in a
temporary lake), ``gate`` (which services need a test).
"""
