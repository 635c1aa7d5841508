"""The examination of a machine before and after installation: what is there, what is not, and what to do about it."""
