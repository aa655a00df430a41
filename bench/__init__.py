"""What Retort's speed is, measured beside straightforward alternatives and beside limits of the machine."""
