"""The table of costs: what tells its rows."""

ALL = "all"  # the method of the rows in which every job counts once; no method may be called so
