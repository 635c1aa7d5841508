"""How fast it is and how large, measured with the real programs; README.md has the figures."""
