"""Run the stage of one rule by hand: python workflow/call.py --help (see retort.running.by_hand)."""

import sys

from retort.running.by_hand import main

if __name__ == "__main__":
    sys.exit(main())
