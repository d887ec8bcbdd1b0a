"""The processes of a container guest as files: how they are written down, and made to run again (CRIU does both)."""
