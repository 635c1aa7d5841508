"""The switch's own database: the bridge, its ports, tunnels and what is plugged in."""
