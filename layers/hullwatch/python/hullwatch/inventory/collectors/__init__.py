"""One module per ecosystem, each a :class:`~hullwatch.inventory.records.Collector`, found by being here.

A new ecosystem is a new file here (``NAME``, ``VERSION``, ``PATHS``, ``MAX_BYTES`` and a pure ``parse``), its
OSV name in :mod:`~hullwatch.inventory.ecosystems`, and a test.
"""
