"""Stages that draw, and the report."""
