"""A whole region with real packets: four hypervisors, three store members, two API servers. Needs root."""
