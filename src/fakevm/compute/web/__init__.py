"""What is the same of every request: who asks, in which version, what is wrong with it, how the answer looks."""
