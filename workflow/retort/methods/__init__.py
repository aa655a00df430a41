"""What makes a method that method: pure functions on arrays and a model interface, no files."""
