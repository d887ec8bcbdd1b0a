"""What was seen, as pictures: the report of a migration as a page that needs nothing else."""
