"""How far a run is: what Snakemake wants, what the logs of its jobs say, and both as a table."""
