"""Point-to-point links between guests."""
