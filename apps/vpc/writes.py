"""The flows of VPCs and their subnets."""

from apps.vpc.model import Subnet, Vpc
from sdnctl.program.weight import weighs

VPC_FLOWS = weighs(Vpc, 4)
SUBNET_FLOWS = weighs(Subnet, 17)
