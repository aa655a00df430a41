"""Stages that label sets, train students on them and measure them."""
