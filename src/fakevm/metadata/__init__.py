"""A metadata service that knows the guests of a lab, in the place of Nova's."""
