"""From desired flows to messages: plan, atomic bundle, read-back, refusals, session and connection."""
