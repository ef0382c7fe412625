"""The judges, one for each kind of object: pods and their containers, nodes, replication controllers, events, and what
the scheduler did. Each takes in what was observed of its kind and adds to the common case; `conformance.judge` calls
them."""
