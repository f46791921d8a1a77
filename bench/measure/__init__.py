"""What bench/compare is made of: the machine, the servers, the workloads, the report."""
