"""The procedure that sets costs of presets from published/calibrate.csv, and from nothing else.

`python -m results.calibration FOLDER` compares the presets with what the procedure gives;
`--write` rewrites their tables of costs. docs/calibration.md explains it.
"""
