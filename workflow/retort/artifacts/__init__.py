"""What stages exchange: one module for each kind of file, writer and reader side by side."""
