"""A region on one machine: `sdnctl up`, its supervisor, and the certificates of its parts."""
