"""Which stages are done, running, stale, failed or waiting."""
