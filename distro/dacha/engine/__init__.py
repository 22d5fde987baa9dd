"""Run containers: the OCI spec, crun, and the state of what runs."""
