"""How a distilled set is measured: views, labels, losses, schedules. Pure functions, no files."""
