"""The errors that a result folder can cause."""

from __future__ import annotations


class ResultsError(Exception):
    """A result folder cannot be read or written; the message is one sentence naming the place."""
