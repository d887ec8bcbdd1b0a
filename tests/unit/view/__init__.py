"""The reports of migrations as pages."""
