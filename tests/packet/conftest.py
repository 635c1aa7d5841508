"""Real packets between network namespaces, over the userspace datapath of a private Open vSwitch. Needs root."""
