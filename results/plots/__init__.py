"""Plots of a run: one file each, DataFrame in, figure out."""
