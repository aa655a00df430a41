"""One module per rule: reads the inputs, calls the floors below, writes the outputs."""
