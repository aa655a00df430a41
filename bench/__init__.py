"""What Retort's speed is, measured beside straightforward alternatives and beside limits of the machine."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))  # the library, for commands that `make` did not start
