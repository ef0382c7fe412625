"""The conformance suite: protocol, workloads, histories, oracle, verdicts, reports, scenarios."""
