"""The parts that methods are put together from, each declared once, in a file of its own."""
