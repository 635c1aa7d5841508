"""The API of a region: what tenants and the operator may ask for, and how they are answered."""
