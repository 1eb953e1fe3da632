"""Integration: federated services to landed records, landed records to customer events and profiles.

Read in the data's order: ``source`` puts a declared service together (``http``, ``auth``, ``paging``, ``windows``;
``files``), ``extraction`` sorts records into days, ``landing`` writes them, ``mapping`` and ``profiles`` make events
and customers of them, ``coverage`` says what is there. Does not belong here: who is whom across services.
"""
