"""Active checks through guests."""
