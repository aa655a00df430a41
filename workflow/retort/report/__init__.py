"""The page, charts and cards, and the words and tables that they share."""
