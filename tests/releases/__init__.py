"""Earlier releases, frozen: what they run, read and promise, and what the next must get on with."""
