"""A real virtual machine: Debian's kernel and systemd under QEMU, on a tap that Open vSwitch carries. Needs root."""
