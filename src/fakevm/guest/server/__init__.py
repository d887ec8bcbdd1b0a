"""Container guests that behave as a cloud's servers: sshd, and what cloud-init does of what the metadata says."""
