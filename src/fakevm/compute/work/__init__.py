"""What is done to servers, by ``fakevm.control``: what commands do, in a thread."""
