"""The acceptance run on a GPU, and its half that needs none (see accept.py)."""
