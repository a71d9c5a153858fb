"""Platform devices. Each one knows when its next event is due, and can be saved and restored."""
