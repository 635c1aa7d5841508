"""What a feature may declare: tables and fields, flows, questions, services, counters, and words for a trace."""
