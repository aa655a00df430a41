"""How sets are measured: views, labels, losses, optimisers and students, as pure functions."""
