"""What is asked of a run before it starts: of the data, of classes, and of a cluster."""
