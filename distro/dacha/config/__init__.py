"""The configuration files that podman's users know, read as their manual pages say."""
