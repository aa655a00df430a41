"""Stages whose artifacts several methods share."""
