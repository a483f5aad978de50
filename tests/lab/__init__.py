"""A real Kubernetes in network namespaces, for tests, `make demo` and debugging. `python -m tests.lab --help`."""
