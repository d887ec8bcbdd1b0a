"""ssh into the guests of a lab: the keys, the server that each connection starts in its guest, the client's options."""
