"""A lab as a graph: from its file, or from what runs."""
