"""What DHCP asks the controller."""

from apps.pipeline import CONTROLLER_STAGE

ASK_DHCP = CONTROLLER_STAGE.punt("ask_dhcp", "a DHCP message to answer", packets_per_second=1000)
