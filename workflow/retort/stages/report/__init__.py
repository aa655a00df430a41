"""The report: one page with everything that a run found, which needs nothing but itself."""
