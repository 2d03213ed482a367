"""Cases times implementations, to a stream of results: in this process, in worker processes, or on a cluster."""
