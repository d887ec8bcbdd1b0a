"""A compute API in Nova's place, and an image API in Glance's: whose servers are a lab's guests (ADR 0062)."""
