"""What is shown while a run goes on: one screen in a terminal, plain lines elsewhere."""
