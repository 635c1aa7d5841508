"""The path of one packet in a tenant's words, from ofproto/trace and the owners of the flows."""
