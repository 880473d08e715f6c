"""What programs say of themselves: one module per language, each a
:class:`~hullwatch.inventory.records.ProgramCollector`, found by being here.
"""
