"""Result folders: what a run found, stored so that a kill loses nothing, and its tables."""
