"""Lists the options of oslo.config that an environment's programs know. It runs in that environment."""
