"""Predictions beside published figures: `trapbench validate`. Nothing is set or chosen from these rows."""
