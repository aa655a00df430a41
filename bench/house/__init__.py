"""How the code of a revision is laid out: sizes, what a reader opens, what additions touched. See `__main__`."""
