"""What the API tells of: values, and how they are kept."""
