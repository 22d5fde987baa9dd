"""Registries: the client of the OCI distribution specification 1.1 and of docker's registries."""
