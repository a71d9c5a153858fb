"""The processor's parts that need no speed: instructions completed in Python, control-register
rules, device accesses.
"""
